package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var slidingStartAStepLate = bug{
	id: "F19", name: "sliding-start-a-step-late", base: "sliding",
	reference: "ml-explore/mlx#3880",
	mechanism: "the start of a slice is read a step late",
	make:      planted(NewSliding, func(c *Sliding) impls.Cache { return &startLate{Sliding: c} }),
}

// startLate cuts as many rows as the chunk before asked for.
type startLate struct {
	*Sliding
	from int
}

func (c *startLate) Reset() {
	c.Sliding.Reset()
	c.from = 0
}

func (c *startLate) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	all, err := c.join(&keys, &values)
	if err != nil {
		return k, v, err
	}
	k, v, _ = gather(c.shape, all)
	n := len(all[0])
	c.keep(all, max(0, n-c.from))
	c.from = max(0, n-(c.shape.Window-1))
	return k, v, nil
}
