package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

var beamsValuesInOldOrder = bug{
	id: "G1", name: "beams-values-in-old-order", base: "beams",
	reference: "huggingface/transformers#46612",
	mechanism: "a reorder moves the keys and leaves the values",
	make:      planted(NewBeams, func(c *Beams) impls.Cache { return beamsValuesStay{c} }),
}

// beamsValuesStay moves the keys alone when entries are selected.
type beamsValuesStay struct{ *Beams }

func (c beamsValuesStay) Select(entries []int) error {
	old := c.now
	if err := c.Beams.Select(entries); err != nil {
		return err
	}
	for b := range min(len(c.now), len(old)) {
		list := slices.Clone(c.now[b])
		for i := range min(len(list), len(old[b])) {
			list[i].row[1] = old[b][i].row[1]
		}
		c.now[b] = list
	}
	return nil
}
