package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Beams is what beam search and speculative decoding ask of a cache, as mlx-lm's
// batch caches and the reorder_cache of transformers give it: a list of rows for each
// batch entry, which is cropped, repeated and dropped for itself. It keeps Window
// tokens more than queries see, for crops.
type Beams struct {
	hook
	shape impls.Shape
	// SinkTokens is how many first tokens every query sees. It is set before the
	// first Update and stays.
	SinkTokens int
	snapshots[beams]
	positions [][]int
}

// NewBeams makes an empty cache, without sinks.
func NewBeams(s impls.Shape) (*Beams, error) {
	return ready(&Beams{shape: s}, s)
}

// Reset implements impls.Cache.
func (c *Beams) Reset() { c.now = make(beams, c.shape.Batch) }

// Sinks implements impls.Sinker.
func (c *Beams) Sinks() int { return c.SinkTokens }

// Positions implements impls.Positioner.
func (c *Beams) Positions() [][]int { return c.positions }

// Update implements impls.Cache.
func (c *Beams) Update(keys, values impls.Tensor) (impls.Tensor, impls.Tensor, error) {
	return c.UpdateEach(keys, values, slices.Repeat([]int{keys.Rows}, len(c.now)))
}

// UpdateEach implements impls.RaggedUpdater.
func (c *Beams) UpdateEach(keys, values impls.Tensor, lengths []int) (impls.Tensor, impls.Tensor, error) {
	if err := checkEach(c.shape, len(c.now), &keys, &values, lengths); err != nil {
		return impls.Tensor{}, impls.Tensor{}, err
	}
	seen, rows := make([][]held, len(lengths)), 0
	for b, length := range lengths {
		x, lo := &c.now[b], oldest(c.now[b].n, c.shape.Window)
		for r := keys.Rows - length; r < keys.Rows; r++ {
			x.held = append(x.held, held{x.n, take(&keys, &values, b, r)})
			x.n++
		}
		seen[b] = c.from(lo, x.held)
		rows = max(rows, len(seen[b]))
		x.held = c.from(oldest(x.n, 2*c.shape.Window), x.held)
	}
	k, v := pair(c.shape, len(seen), rows)
	c.positions = make([][]int, len(seen))
	for b, list := range seen {
		c.positions[b] = slices.Repeat([]int{-1}, rows)
		for r, h := range list {
			h.row.put(&k, &v, b, r)
			c.positions[b][r] = h.pos
		}
	}
	return k, v, nil
}
