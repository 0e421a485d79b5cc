package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var ringWrapsEarly = bug{
	id: "B10", name: "ring-wraps-early", base: "ring",
	reference: "ml-explore/mlx-examples#1093",
	mechanism: "once full, tokens go round one row less: capacity W or W-1 by path",
	make:      planted(plainRing, func(c *Ring) impls.Cache { return wrapsEarly{c} }),
}

// wrapsEarly goes round one row less once it is full.
type wrapsEarly struct{ *Ring }

func (c wrapsEarly) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	n, w := c.n, c.shape.Window
	was := [...]impls.Tensor{c.keys.Clone(c.shape), c.values.Clone(c.shape)}
	if k, v, err = c.Ring.Update(keys, values); err != nil || n < w || w == 1 || n%w == n%(w-1) {
		return k, v, err
	}
	for t, x := range [...]*impls.Tensor{&c.keys, &c.values} {
		move(x, n%(w-1), x, n%w)
		move(x, n%w, &was[t], n%w)
	}
	return k, v, nil
}
