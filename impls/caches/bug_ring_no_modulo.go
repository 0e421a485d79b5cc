package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var ringNoModulo = bug{
	id: "B14", name: "ring-no-modulo", base: "ring",
	reference: "Lightning-AI/litgpt#2145",
	mechanism: "positions are not taken modulo the window: what lies past its end is written to the last row",
	make:      planted(plainRing, func(c *Ring) impls.Cache { return noModulo{c} }),
}

// noModulo writes every token past the end to the last row.
type noModulo struct{ *Ring }

func (c noModulo) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	n, w := c.n, c.shape.Window
	was := [...]impls.Tensor{c.keys.Clone(c.shape), c.values.Clone(c.shape)}
	if k, v, err = c.Ring.Update(keys, values); err != nil || n < w {
		return k, v, err
	}
	for t, x := range [...]*impls.Tensor{&c.keys, &c.values} {
		move(x, w-1, x, n%w)
		if n%w != w-1 {
			move(x, n%w, &was[t], n%w)
		}
	}
	return k, v, nil
}
