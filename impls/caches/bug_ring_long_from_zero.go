package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var ringLongFromZero = bug{
	id: "C15", name: "ring-long-from-zero", base: "ring-narrow",
	reference: "vllm-project/vllm#2064",
	mechanism: "the last rows of a prefill longer than the window are stored from row 0 on, not where the ring has them",
	make:      planted(longRing, func(c *Ring) impls.Cache { return longFromZero{c} }),
}

// longFromZero stores a long chunk from the first row of the ring on.
type longFromZero struct{ *Ring }

func (c longFromZero) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	w, q := c.shape.Window, keys.Rows
	if k, v, err = c.Ring.Update(keys, values); err != nil || q <= w {
		return k, v, err
	}
	for r := range w {
		move(&c.keys, r, &keys, q-w+r)
		move(&c.values, r, &values, q-w+r)
	}
	return k, v, nil
}
