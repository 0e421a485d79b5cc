package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var hybridKindsSwapped = bug{
	id: "E7", name: "hybrid-kinds-swapped", base: "hybrid",
	reference: "huggingface/transformers#31775",
	mechanism: "odd layers are taken for even ones: those with a window have none, and the other way round",
	make:      planted(NewHybrid, func(c *Hybrid) impls.Cache { return kindsSwapped{c} }),
}

// kindsSwapped has the windows of the layers beside.
type kindsSwapped struct{ *Hybrid }

func (c kindsSwapped) Layers() []int { w := c.layers[0].shape.Window; return []int{0, w, 0, w} }
