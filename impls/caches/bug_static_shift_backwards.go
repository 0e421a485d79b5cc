package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var staticShiftBackwards = bug{
	id: "A5", name: "static-shift-backwards", base: "static",
	reference: "pytorch/pytorch#94693",
	mechanism: "source and destination are taken for distinct: rows are moved from the last on, each read after it was written",
	make:      planted(NewStatic, func(c *Static) impls.Cache { c.shift = shiftBackwards; return c }),
}

// shiftBackwards moves the last rows first.
func shiftBackwards(x *impls.Tensor) {
	for r := x.Rows - 2; r >= 0; r-- {
		move(x, r, x, r+1)
	}
}
