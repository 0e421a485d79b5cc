package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Sliding concatenates and cuts, as the dynamic sliding layer of transformers does: it
// holds the newest Window-1 tokens, and returns them and the chunk. What is returned
// levels off at Window-1+q rows.
type Sliding struct {
	shape impls.Shape
	snapshots[sliding]
}

// sliding is how many tokens each entry has had, and the newest of each, in lists that
// are shared and not written to.
type sliding struct {
	n    int
	rows [][]held
}

func (s sliding) clone() sliding { return sliding{s.n, slices.Clone(s.rows)} }

// NewSliding makes an empty cache.
func NewSliding(s impls.Shape) (*Sliding, error) { return ready(&Sliding{shape: s}, s) }

// Reset implements impls.Cache.
func (c *Sliding) Reset() { c.now = sliding{rows: make([][]held, c.shape.Batch)} }

// Update implements impls.Cache.
func (c *Sliding) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	all, err := c.join(&keys, &values)
	if err == nil {
		k, v, _ = gather(c.shape, all)
		c.keep(all, c.shape.Window-1)
	}
	return k, v, err
}

// join is what each entry holds, with its chunk behind, which is counted.
func (c *Sliding) join(keys, values *impls.Tensor) (all [][]held, err error) {
	if err := checkChunk(c.shape, len(c.now.rows), keys, values); err != nil {
		return nil, err
	}
	for b, list := range c.now.rows {
		all = append(all, slices.Concat(list, takeLast(keys, values, b, keys.Rows, c.now.n)))
	}
	c.now.n += keys.Rows
	return all, nil
}

// keep holds the newest tokens of each list, so many at most.
func (c *Sliding) keep(all [][]held, most int) {
	c.now.rows = nil
	for _, list := range all {
		c.now.rows = append(c.now.rows, newest(list, most))
	}
}

// Select implements impls.Selector.
func (c *Sliding) Select(entries []int) error {
	err := checkSelect(entries, len(c.now.rows))
	if err == nil {
		c.now.rows = choose(c.now.rows, entries)
	}
	return err
}

// Crop implements impls.Cropper. It refuses once tokens are gone that are needed.
func (c *Sliding) Crop(n int) error {
	cut := c.now.n - n
	if n < 0 || cut > 0 && oldest(n, c.shape.Window) < c.now.n-len(c.now.rows[0]) {
		return refuse("crop", "to %d of %d tokens, of which %d are held", n, c.now.n, len(c.now.rows[0]))
	}
	if cut > 0 {
		c.now = sliding{n, slices.Clone(c.now.rows)}
		for b, list := range c.now.rows {
			c.now.rows[b] = list[:len(list)-min(cut, len(list))]
		}
	}
	return nil
}
