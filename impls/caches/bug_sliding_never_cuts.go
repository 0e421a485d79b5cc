package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var slidingNeverCuts = bug{
	id: "B18", name: "sliding-never-cuts", base: "sliding",
	reference: "EricLBuehler/mistral.rs#246",
	mechanism: "the slice of the newest rows is never taken: the cache has no window",
	make:      planted(NewSliding, func(c *Sliding) impls.Cache { return neverCuts{c} }),
}

// neverCuts keeps all tokens.
type neverCuts struct{ *Sliding }

func (c neverCuts) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	all, err := c.join(&keys, &values)
	if err == nil {
		k, v, _ = gather(c.shape, all)
		c.keep(all, c.now.n)
	}
	return k, v, err
}
