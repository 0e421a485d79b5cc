package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// sinkTokens is how many first tokens every query sees: fewer than the four of
// StreamingLLM, so that most sequences are longer.
const sinkTokens = 2

// SinkCache keeps the first tokens for ever beside the newest, as attention sinks are: what
// it evicts lies between them.
type SinkCache struct {
	shape     impls.Shape
	n         int
	rows      [][]held // by entry
	positions [][]int
}

// NewSinkCache makes an empty cache.
func NewSinkCache(s impls.Shape) (*SinkCache, error) { return ready(&SinkCache{shape: s}, s) }

// Reset implements impls.Cache.
func (c *SinkCache) Reset() { *c = SinkCache{shape: c.shape, rows: make([][]held, c.shape.Batch)} }

// Update implements impls.Cache.
func (c *SinkCache) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if err := c.append(&keys, &values); err != nil {
		return k, v, err
	}
	k, v, c.positions = gather(c.shape, c.rows)
	c.evict()
	return k, v, nil
}

// append puts a chunk behind the rows.
func (c *SinkCache) append(keys, values *impls.Tensor) error {
	if err := checkChunk(c.shape, c.shape.Batch, keys, values); err != nil {
		return err
	}
	for b, list := range c.rows {
		c.rows[b] = slices.Concat(list, takeLast(keys, values, b, keys.Rows, c.n))
	}
	c.n += keys.Rows
	return nil
}

// evict drops what lies between the sinks and the window of the next query.
func (c *SinkCache) evict() {
	for b, list := range c.rows {
		c.rows[b] = slices.DeleteFunc(list, func(x held) bool {
			return x.pos >= sinkTokens && x.pos < oldest(c.n, c.shape.Window)
		})
	}
}

// Positions implements impls.Positioner.
func (c *SinkCache) Positions() [][]int { return c.positions }

// Sinks implements impls.Sinker.
func (c *SinkCache) Sinks() int { return sinkTokens }
