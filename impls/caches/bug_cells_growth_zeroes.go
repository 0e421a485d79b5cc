package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

var cellsGrowthZeroes = bug{
	id: "A19", name: "cells-growth-zeroes", base: "cells",
	reference: "kekzl/imp#1709",
	mechanism: "memory that grew is cleared after a token was written to it",
	make:      planted(NewCells, func(c *Cells) impls.Cache { return growthZeroes{c} }),
}

// growthZeroes doubles the pool, and clears the first cell of the new half late.
type growthZeroes struct{ *Cells }

func (c growthZeroes) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	had := len(c.cells)
	if k, v, err = c.Cells.Update(keys, values); err != nil {
		return k, v, err
	}
	for size := 1; size < len(c.cells); size *= 2 {
		if size >= had {
			zeros := make([]byte, c.shape.Heads*c.shape.RowBytes())
			c.cells[size].row = row{zeros, zeros}
		}
	}
	k, v, c.positions = gather(c.shape, slices.Repeat([][]held{c.cells}, c.shape.Batch))
	return k, v, nil
}
