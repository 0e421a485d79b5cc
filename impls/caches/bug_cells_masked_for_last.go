package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var cellsMaskedForLast = bug{
	id: "C6, C8", name: "cells-masked-for-last", base: "cells",
	reference: "rasbt/LLMs-from-scratch#1008, ggml-org/llama.cpp#18720",
	mechanism: "a cell is free if it is masked for the last query of a batch; it must be for the first",
	make:      planted(NewCells, func(c *Cells) impls.Cache { return maskedForLast{c} }),
}

// maskedForLast frees the cells that the last query of a chunk does not see.
type maskedForLast struct{ *Cells }

func (c maskedForLast) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if err := checkChunk(c.shape, c.shape.Batch, &keys, &values); err != nil {
		return k, v, err
	}
	if q := keys.Rows; q > 0 {
		c.keep(oldest(c.n+q-1, c.shape.Window), c.n)
	}
	first := c.first
	k, v, err = c.Cells.Update(keys, values)
	c.first = first
	return k, v, err
}
