package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var staticReadsEarly = bug{
	id: "A6", name: "static-reads-early", base: "static",
	reference: "pytorch/pytorch#108963",
	mechanism: "who reads the buffer is fused ahead of the write, and gets what was there before",
	make:      planted(NewStatic, func(c *Static) impls.Cache { return readsEarly{c} }),
}

// readsEarly returns the buffer as it was before a single token was written.
type readsEarly struct{ *Static }

func (c readsEarly) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	was := [...]impls.Tensor{c.keys.Clone(c.shape), c.values.Clone(c.shape)}
	if k, v, err = c.Static.Update(keys, values); err != nil || keys.Rows != 1 {
		return k, v, err
	}
	return was[0], was[1], nil
}
