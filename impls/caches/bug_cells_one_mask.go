package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var cellsOneMask = bug{
	id: "F3", name: "cells-one-mask", base: "cells",
	reference: "pytorch/executorch#21857, microsoft/onnxruntime#25927",
	mechanism: "one mask for all queries of a chunk: the first sees the last one's token",
	make:      planted(NewCells, func(c *Cells) impls.Cache { return oneMask{c} }),
}

// oneMask has one mask for all queries of a chunk: what any of them sees.
type oneMask struct{ *Cells }

func (c oneMask) Visible() [][][]bool {
	for _, queries := range c.visible {
		all := make([]bool, len(c.cells))
		for _, mask := range queries {
			for at, seen := range mask {
				all[at] = all[at] || seen
			}
		}
		for i := range queries {
			queries[i] = all
		}
	}
	return c.visible
}
