package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var sinksEvictsNewest = bug{
	id: "B21", name: "sinks-evicts-newest", base: "sinks",
	reference: "Reward-Forcing#5",
	mechanism: "the range that is evicted after the sinks is counted from the wrong end",
	make:      planted(NewSinkCache, func(c *SinkCache) impls.Cache { return evictsNewest{c} }),
}

// evictsNewest evicts as many tokens as it must, the newest ones.
type evictsNewest struct{ *SinkCache }

func (c evictsNewest) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if err := c.append(&keys, &values); err != nil {
		return k, v, err
	}
	k, v, c.positions = gather(c.shape, c.rows)
	for b, list := range c.rows {
		c.rows[b] = list[:min(len(list), sinkTokens+c.shape.Window-1)]
	}
	return k, v, nil
}
