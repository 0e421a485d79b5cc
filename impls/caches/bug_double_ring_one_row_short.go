package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var doubleRingOneRowShort = bug{
	id: "C3", name: "double-ring-one-row-short", base: "double-ring",
	reference: "pytorch/executorch#20346",
	mechanism: "a chunk of W+1 tokens is written over the oldest row that its first query sees",
	make:      planted(NewDoubleRing, func(c *DoubleRing) impls.Cache { return oneRowShort{c} }),
}

// oneRowShort has one row less than a chunk of Window+1 needs.
type oneRowShort struct{ *DoubleRing }

func (c oneRowShort) Reset() {
	c.DoubleRing.Reset()
	c.keys, c.values = pair(c.shape, c.shape.Batch, 2*c.shape.Window-1)
}
