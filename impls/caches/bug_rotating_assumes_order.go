package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var rotatingAssumesOrder = bug{
	id: "B9", name: "rotating-assumes-order", base: "rotating",
	reference: "ml-explore/mlx-examples#1000",
	mechanism: "the path of chunks takes the rows for ordered, and cuts the first ones off",
	make:      planted(NewRotating, func(c *Rotating) impls.Cache { return assumesOrder{c} }),
}

// assumesOrder takes the rows for those of a ring that has just come round.
type assumesOrder struct{ *Rotating }

func (c assumesOrder) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if err := checkChunk(c.shape, c.shape.Batch, &keys, &values); err != nil {
		return k, v, err
	}
	if keys.Rows > 1 {
		c.next = 0
	}
	return c.Rotating.Update(keys, values)
}
