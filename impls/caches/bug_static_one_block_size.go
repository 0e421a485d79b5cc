package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var staticOneBlockSize = bug{
	id: "A8", name: "static-one-block-size", base: "static",
	reference: "pytorch/pytorch#117778",
	mechanism: "the shift is lowered wrongly at one size of block alone",
	make:      planted(NewStatic, func(c *Static) impls.Cache { c.shift = shiftAtOneSize; return c }),
}

// wrongBlock is the bytes of a row at which the shift is wrong: those of a word.
const wrongBlock = 8

// shiftAtOneSize leaves the rows of one size where they are.
func shiftAtOneSize(x *impls.Tensor) {
	if x.RowBytes() != wrongBlock {
		shiftLeft(x)
	}
}
