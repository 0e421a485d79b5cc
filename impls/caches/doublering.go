package caches

import "github.com/slidefuzz/slidefuzz/impls"

// DoubleRing is a ring of twice the window, as ExecuTorch has it: the rows that
// the first query of a chunk sees must outlive the writing of the whole chunk.
// 2·Window rows hold the Window-1 tokens before a chunk of at most Window+1.
type DoubleRing struct {
	shape        impls.Shape
	n            int
	keys, values impls.Tensor
	positions    []int
}

// NewDoubleRing makes an empty ring.
func NewDoubleRing(s impls.Shape) (*DoubleRing, error) {
	return ready(&DoubleRing{shape: s}, s)
}

// Reset implements impls.Cache.
func (c *DoubleRing) Reset() {
	c.n, c.positions = 0, nil
	c.keys, c.values = pair(c.shape, c.shape.Batch, 2*c.shape.Window)
}

// Update implements impls.Cache. An empty chunk has no query, and gets no rows.
func (c *DoubleRing) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if err := checkChunk(c.shape, c.shape.Batch, &keys, &values); err != nil {
		return k, v, err
	}
	q, rows := keys.Rows, c.keys.Rows
	if q > c.shape.Window+1 {
		return k, v, refuse("update", "a chunk of %d tokens, at most %d are taken", q, c.shape.Window+1)
	}
	// The chunk may be a view of the ring, which is written below.
	keys, values = keys.Clone(c.shape), values.Clone(c.shape)
	for r := range q {
		move(&c.keys, (c.n+r)%rows, &keys, r)
		move(&c.values, (c.n+r)%rows, &values, r)
	}
	if c.n += q; q == 0 {
		c.positions = []int{}
		return c.keys.Slice(0, 0), c.values.Slice(0, 0), nil
	}
	c.positions = inRing(c.n, rows)
	return c.keys, c.values, nil
}

// Positions implements impls.Positioner.
func (c *DoubleRing) Positions() [][]int { return [][]int{c.positions} }
