package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var cellsWideWindow = bug{
	id: "E1", name: "cells-wide-window", base: "cells",
	reference: "huggingface/transformers#26792, vllm-project/vllm#3385",
	mechanism: "queries attend to W+1 tokens where the oldest is still held, in chunks of several tokens",
	make:      planted(NewCells, func(c *Cells) impls.Cache { return wideWindow{c} }),
}

// wideWindow lets queries see the token before their window too, where a cell
// still holds it.
type wideWindow struct{ *Cells }

func (c wideWindow) Visible() [][][]bool {
	for b, queries := range c.visible {
		for i, mask := range queries {
			before := c.n - len(queries) + i - c.shape.Window
			for at, x := range c.cells {
				mask[at] = mask[at] || c.owner[at] == b && x.pos == before
			}
		}
	}
	return c.visible
}
