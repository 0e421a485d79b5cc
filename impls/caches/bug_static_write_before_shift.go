package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var staticWriteBeforeShift = bug{
	id: "A4", name: "static-write-before-shift", base: "static",
	reference: "pytorch/pytorch#198270",
	mechanism: "the write of the new row is fused with the shifted read of the same buffer, and comes first",
	make:      planted(NewStatic, func(c *Static) impls.Cache { return writeBeforeShift{c} }),
}

// writeBeforeShift writes the new row of a full window before the others move.
type writeBeforeShift struct{ *Static }

func (c writeBeforeShift) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	n, last := c.n, c.shape.Window-1
	if k, v, err = c.Static.Update(keys, values); err != nil || n < c.shape.Window || keys.Rows > 1 || last == 0 {
		return k, v, err
	}
	move(&c.keys, last-1, &c.keys, last)
	move(&c.values, last-1, &c.values, last)
	return k, v, nil
}
