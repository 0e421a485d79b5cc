package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var staticShiftStrided = bug{
	id: "A7", name: "static-shift-strided", base: "static",
	reference: "pytorch/pytorch#144861",
	mechanism: "the check for overlap covers contiguous tensors alone: a shift of strided rows smears",
	make:      planted(NewStatic, func(c *Static) impls.Cache { c.shift = shiftStrided; return c }),
}

// shiftStrided is right where the rows of the window lie one behind the other in
// memory, those of all lanes together.
func shiftStrided(x *impls.Tensor) {
	if contiguous := x.RowStride == x.Lanes()*x.RowBytes() || x.Lanes() == 1; contiguous {
		shiftLeft(x)
	} else {
		shiftBackwards(x)
	}
}
