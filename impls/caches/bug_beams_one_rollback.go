package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

var beamsOneRollback = bug{
	id: "G3", name: "beams-one-rollback", base: "beams",
	reference: "Blaizzy/mlx-vlm#1155, Blaizzy/mlx-vlm#2113",
	mechanism: "a crop by entry cuts all entries to the length of the first",
	make:      planted(NewBeams, func(c *Beams) impls.Cache { return oneRollback{c} }),
}

// oneRollback cuts all entries to the length of the first.
type oneRollback struct{ *Beams }

func (c oneRollback) CropEach(lengths []int) error {
	if err := checkCrop(lengths, len(c.now)); err != nil {
		return err
	}
	return c.Beams.CropEach(slices.Repeat(lengths[:1], len(lengths)))
}
