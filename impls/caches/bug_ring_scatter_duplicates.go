package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var ringScatterDuplicates = bug{
	id: "A16, B13", name: "ring-scatter-duplicates", base: "ring-narrow",
	reference: "Lightning-AI/litgpt#2182, pytorch/executorch#19213",
	mechanism: "a chunk longer than the ring is scattered with duplicate indices, and an older token wins",
	make:      planted(longRing, func(c *Ring) impls.Cache { return scatterDuplicates{c} }),
}

// scatterDuplicates writes the tokens of a long chunk in the order that the device
// takes: the last ones first.
type scatterDuplicates struct{ *Ring }

func longRing(s impls.Shape) (*Ring, error) { return NewRing(s, true) }

func (c scatterDuplicates) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	n, w := c.n, c.shape.Window
	if k, v, err = c.Ring.Update(keys, values); err != nil || keys.Rows <= w {
		return k, v, err
	}
	for r := keys.Rows - 1; r >= 0; r-- {
		move(&c.keys, (n+r)%w, &keys, r)
		move(&c.values, (n+r)%w, &values, r)
	}
	return k, v, nil
}
