package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var staticClampedPosition = bug{
	id: "B2", name: "static-clamped-position", base: "static",
	reference: "huggingface/transformers#37873",
	mechanism: "the position is clamped to the last row before the test for a shift, which then never comes",
	make:      planted(NewStatic, func(c *Static) impls.Cache { return clampedPosition{c} }),
}

// clampedPosition takes a full window for one that has room for a last token.
type clampedPosition struct{ *Static }

func (c clampedPosition) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	n := c.n
	if keys.Rows == 1 {
		c.n = min(n, c.shape.Window-1)
	}
	if k, v, err = c.Static.Update(keys, values); err != nil {
		c.n = n
		return k, v, err
	}
	c.n = n + keys.Rows
	return k, v, nil
}
