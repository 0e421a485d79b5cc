package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

var beamsFreesSaved = bug{
	id: "F7", name: "beams-frees-saved", base: "beams",
	reference: "sgl-project/sglang#31486, kvcached#362",
	mechanism: "rows that were evicted are written anew while the prefix tree still names them",
	make:      planted(NewBeams, func(c *Beams) impls.Cache { return freesSaved{c} }),
}

// freesSaved gives the memory of an evicted token to a new one, though a snapshot may
// hold it.
type freesSaved struct{ *Beams }

func (c freesSaved) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	return c.UpdateEach(keys, values, slices.Repeat([]int{keys.Rows}, len(c.now)))
}

func (c freesSaved) UpdateEach(keys, values impls.Tensor, lengths []int) (k, v impls.Tensor, err error) {
	was := c.now.clone()
	if k, v, err = c.Beams.UpdateEach(keys, values, lengths); err != nil {
		return k, v, err
	}
	for b, list := range c.now {
		gone := 0
		for gone < len(was[b]) && len(list) > 0 && was[b][gone].pos < list[0].pos {
			gone++
		}
		for i := range min(gone, lengths[b], len(list)) {
			x := &list[len(list)-1-i].row
			for t, memory := range was[b][i].row {
				copy(memory, x[t])
				x[t] = memory
			}
		}
	}
	return k, v, nil
}
