package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var cellsMaskTruncated = bug{
	id: "B13", name: "cells-mask-truncated", base: "cells",
	reference: "Lightning-AI/litgpt#2182",
	mechanism: "the mask of a chunk longer than the window is truncated to its last rows: early queries see the future",
	make:      planted(NewCells, func(c *Cells) impls.Cache { return maskTruncated{c} }),
}

// maskTruncated has masks for the last Window queries of a chunk, and gives the first
// one of them to those before.
type maskTruncated struct{ *Cells }

func (c maskTruncated) Visible() [][][]bool {
	for _, queries := range c.visible {
		for i := range len(queries) - c.shape.Window {
			queries[i] = queries[len(queries)-c.shape.Window]
		}
	}
	return c.visible
}
