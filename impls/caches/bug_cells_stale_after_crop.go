package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

var cellsStaleAfterCrop = bug{
	id: "F1", name: "cells-stale-after-crop", base: "cells",
	reference: "rajveer43/VeloxQuant-MLX#369",
	mechanism: "a crop leaves the flush frontier, and tokens that are written anew count as stored",
	make:      planted(NewCells, func(c *Cells) impls.Cache { return &staleAfterCrop{staleCells{Cells: c}} }),
}

// staleAfterCrop leaves cells at a crop.
type staleAfterCrop struct{ staleCells }

func (c *staleAfterCrop) Reset() {
	c.Cells.Reset()
	clear(c.stale)
}

func (c *staleAfterCrop) Crop(n int) error {
	was := slices.Clone(c.owner)
	err := c.Cells.Crop(n)
	if err == nil {
		now := c.owner
		c.owner = was
		c.leave(n)
		c.owner = now
	}
	return err
}
