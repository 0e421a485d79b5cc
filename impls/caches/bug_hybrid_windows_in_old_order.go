package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var hybridWindowsInOldOrder = bug{
	id: "G1", name: "hybrid-windows-in-old-order", base: "hybrid",
	reference: "huggingface/transformers#46612",
	mechanism: "a reorder leaves the layers with a window in the old order",
	make:      planted(NewHybrid, func(c *Hybrid) impls.Cache { return hybridWindowsStay{c} }),
}

// hybridWindowsStay leaves the layers with a window out when entries are selected, but
// for how many there are.
type hybridWindowsStay struct{ *Hybrid }

func (c hybridWindowsStay) Select(entries []int) error {
	var was []beams
	for _, l := range c.layers {
		was = append(was, l.now)
	}
	if err := c.Hybrid.Select(entries); err != nil {
		return err
	}
	for i, l := range c.layers {
		if l.shape.Window != impls.MaxExtent {
			copy(l.now, was[i])
		}
	}
	return nil
}
