package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var hybridLengthOfLayer0 = bug{
	id: "E10", name: "hybrid-length-of-layer-0", base: "hybrid",
	reference: "fla-org/flash-linear-attention#477",
	mechanism: "the length is read from layer 0, which is capped: positions stall at the window",
	make:      planted(NewHybrid, func(c *Hybrid) impls.Cache { return lengthOfLayer0{c} }),
}

// lengthOfLayer0 writes tokens behind as many as layer 0 can hold, in layers that hold
// more.
type lengthOfLayer0 struct{ *Hybrid }

func (c lengthOfLayer0) UpdateLayer(layer int, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	w, x := c.layers[0].shape.Window, c.layers[layer]
	was := x.now.clone()
	if x.shape.Window == impls.MaxExtent {
		for b, list := range x.now {
			x.now[b] = list[:min(len(list), w)]
		}
	}
	if k, v, err = c.Hybrid.UpdateLayer(layer, keys, values); err != nil {
		x.now = was
	}
	return k, v, err
}
