package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var sinksCutToWindow = bug{
	id: "C6", name: "sinks-cut-to-window", base: "sinks",
	reference: "rasbt/LLMs-from-scratch#1008",
	mechanism: "rows are cut to W, not to W-1+q: the first queries of a chunk lose keys",
	make:      planted(NewSinkCache, func(c *SinkCache) impls.Cache { return cutToWindow{c} }),
}

// cutToWindow evicts what the last query of a chunk does not see before the chunk's
// first one sees it.
type cutToWindow struct{ *SinkCache }

func (c cutToWindow) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if err := c.append(&keys, &values); err != nil {
		return k, v, err
	}
	c.n--
	c.evict()
	c.n++
	k, v, c.positions = gather(c.shape, c.rows)
	c.evict()
	return k, v, nil
}
