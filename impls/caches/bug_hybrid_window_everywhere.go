package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var hybridWindowEverywhere = bug{
	id: "E8", name: "hybrid-window-everywhere", base: "hybrid",
	reference: "ggml-org/llama.cpp#15811",
	mechanism: "the window of a group is applied to every layer",
	make:      planted(NewHybrid, func(c *Hybrid) impls.Cache { return windowEverywhere{c} }),
}

// windowEverywhere evicts from the layers without a window too.
type windowEverywhere struct{ *Hybrid }

func (c windowEverywhere) Reset() {
	for _, l := range c.layers {
		l.shape.Window = c.layers[0].shape.Window
	}
	c.Hybrid.Reset()
}
