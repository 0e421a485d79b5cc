package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var cellsStaleAfterReset = bug{
	id: "F2", name: "cells-stale-after-reset", base: "cells",
	reference: "waybarrios/vllm-mlx#385, LostRuins/koboldcpp#2158",
	mechanism: "the flush frontier survives a reset, and tokens of the next conversation count as stored",
	make:      planted(NewCells, func(c *Cells) impls.Cache { return &staleAfterReset{staleCells{Cells: c}} }),
}

// staleAfterReset leaves cells at a reset.
type staleAfterReset struct{ staleCells }

func (c *staleAfterReset) Reset() {
	c.leave(0)
	c.Cells.Reset()
}
