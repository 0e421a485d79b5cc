package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var slidingIgnoresStrides = bug{
	id: "E14", name: "sliding-ignores-strides", base: "sliding",
	reference: "ggml-org/ggml#1497",
	mechanism: "strides are ignored: the rows of a tensor are taken for dense",
	make:      planted(NewSliding, func(c *Sliding) impls.Cache { return ignoresStrides{c} }),
}

// ignoresStrides reads a chunk as if its rows lay one behind the other, lane by lane.
type ignoresStrides struct{ *Sliding }

func (c ignoresStrides) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	for _, x := range [...]*impls.Tensor{&keys, &values} {
		rowBytes, dense := x.RowBytes(), x.Lanes()*x.Rows*x.RowBytes()
		if rowBytes > 0 && len(x.Data) >= dense {
			x.LaneStride, x.RowStride = x.Rows*rowBytes, rowBytes
		}
	}
	return c.Sliding.Update(keys, values)
}
