package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var doubleRingOnePart = bug{
	id: "B15, B16", name: "double-ring-one-part", base: "double-ring",
	reference: "google-ai-edge/LiteRT-LM#2762, zhongkaifu/TensorSharp#23",
	mechanism: "a chunk that crosses the end of the ring is copied up to the end, and there is no second copy",
	make:      planted(NewDoubleRing, func(c *DoubleRing) impls.Cache { return onePart{c} }),
}

// onePart leaves the rows at the start of the ring as they were.
type onePart struct{ *DoubleRing }

func (c onePart) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	n, rows := c.n, c.keys.Rows
	was := [...]impls.Tensor{c.keys.Clone(c.shape), c.values.Clone(c.shape)}
	if k, v, err = c.DoubleRing.Update(keys, values); err != nil {
		return k, v, err
	}
	for r := range n%rows + keys.Rows - rows {
		move(&c.keys, r, &was[0], r)
		move(&c.values, r, &was[1], r)
	}
	return k, v, nil
}
