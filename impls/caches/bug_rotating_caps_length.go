package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

var rotatingCapsLength = bug{
	id: "B20", name: "rotating-caps-length", base: "rotating",
	reference: "rajveer43/VeloxQuant-MLX#274",
	mechanism: "nothing is ever evicted, and the length that is told is capped",
	make:      planted(NewRotating, func(c *Rotating) impls.Cache { return &capsLength{Rotating: c} }),
}

// capsLength evicts nothing and says positions up to the window alone.
type capsLength struct {
	*Rotating
	all [][]held
}

func (c *capsLength) Reset() {
	c.Rotating.Reset()
	c.all = make([][]held, c.shape.Batch)
}

func (c *capsLength) Crop(n int) error {
	err := c.Rotating.Crop(n)
	if err == nil {
		for b, list := range c.all {
			c.all[b] = list[:min(n, len(list))]
		}
	}
	return err
}

func (c *capsLength) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	n := c.n
	if k, v, err = c.Rotating.Update(keys, values); err != nil {
		return k, v, err
	}
	for b, list := range c.all {
		c.all[b] = slices.Concat(list, takeLast(&keys, &values, b, keys.Rows, n))
		for i := range c.all[b] {
			c.all[b][i].pos = min(i, c.shape.Window-1)
		}
	}
	k, v, c.positions = gather(c.shape, c.all)
	return k, v, nil
}
