package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

var cellsRollbackOverHole = bug{
	id: "F9", name: "cells-rollback-over-hole", base: "cells",
	reference: "ggml-org/llama.cpp#14119",
	mechanism: "a masked cell is overwritten and older ones stay, so that a rollback over the hole is allowed",
	make:      planted(NewCells, func(c *Cells) impls.Cache { return rollbackOverHole{c} }),
}

// rollbackOverHole leaves masked cells that are not written to, and grants a crop by
// the oldest token that it finds.
type rollbackOverHole struct{ *Cells }

func (c rollbackOverHole) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	owner, cells := slices.Clone(c.owner), slices.Clone(c.cells)
	if k, v, err = c.Cells.Update(keys, values); err != nil {
		return k, v, err
	}
	for at, b := range owner {
		if b >= 0 && c.owner[at] < 0 && c.cells[at].pos == cells[at].pos {
			c.owner[at] = b
			c.first = min(c.first, c.cells[at].pos)
		}
	}
	return k, v, nil
}
