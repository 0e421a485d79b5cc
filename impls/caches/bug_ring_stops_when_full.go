package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var ringStopsWhenFull = bug{
	id: "B16", name: "ring-stops-when-full", base: "ring",
	reference: "google-ai-edge/LiteRT-LM#2762",
	mechanism: "what comes past the capacity is dropped, silently",
	make:      planted(plainRing, func(c *Ring) impls.Cache { return stopsWhenFull{c} }),
}

// stopsWhenFull counts the tokens of a full ring and does not write them.
type stopsWhenFull struct{ *Ring }

func (c stopsWhenFull) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	full := c.n >= c.shape.Window
	was := [...]impls.Tensor{c.keys.Clone(c.shape), c.values.Clone(c.shape)}
	if k, v, err = c.Ring.Update(keys, values); err != nil || !full {
		return k, v, err
	}
	c.keys, c.values = was[0], was[1]
	return was[0], was[1], nil
}
