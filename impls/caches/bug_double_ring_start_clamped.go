package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var doubleRingStartClamped = bug{
	id: "E23", name: "double-ring-start-clamped", base: "double-ring",
	reference: "jax-ml/jax#21392",
	mechanism: "the start of a slice that would pass the end is moved back until the slice fits",
	make:      planted(NewDoubleRing, func(c *DoubleRing) impls.Cache { return startClamped{c} }),
}

// startClamped writes a chunk that crosses the end of the ring to its last rows.
type startClamped struct{ *DoubleRing }

func (c startClamped) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	n, q, rows := c.n, keys.Rows, c.keys.Rows
	was := [...]impls.Tensor{c.keys.Clone(c.shape), c.values.Clone(c.shape)}
	if k, v, err = c.DoubleRing.Update(keys, values); err != nil || n%rows+q <= rows {
		return k, v, err
	}
	for t, x := range [...]*impls.Tensor{&c.keys, &c.values} {
		chunk := impls.NewTensor(c.shape, q)
		for r := range q {
			move(&chunk, r, x, (n+r)%rows)
			move(x, (n+r)%rows, &was[t], (n+r)%rows)
		}
		for r := range q {
			move(x, rows-q+r, &chunk, r)
		}
	}
	return k, v, nil
}
