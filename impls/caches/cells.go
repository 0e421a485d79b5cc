package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Cells is a pool of cells, as llama.cpp's unified KV cache: each has a position and
// the batch entries that it belongs to, and lies where a search found a free one.
// Update returns the whole pool, and a mask says which cells each query sees.
type Cells struct {
	hook
	shape impls.Shape
	snapshots[cellPool]
	positions [][]int
	visible   [][][]bool
}

// NewCells makes an empty cache.
func NewCells(s impls.Shape) (*Cells, error) {
	return ready(&Cells{shape: s}, s)
}

// Reset implements impls.Cache.
func (c *Cells) Reset() {
	old := c.now.cells
	c.now = cellPool{n: make([]int, c.shape.Batch)}
	if c.bug == staleAfterReset {
		c.now.cells = leaveCells(old, c.shape.Batch)
	}
}

// Update implements impls.Cache.
func (c *Cells) Update(keys, values impls.Tensor) (impls.Tensor, impls.Tensor, error) {
	return c.UpdateEach(keys, values, slices.Repeat([]int{keys.Rows}, len(c.now.n)))
}

// UpdateEach implements impls.RaggedUpdater.
func (c *Cells) UpdateEach(keys, values impls.Tensor, lengths []int) (impls.Tensor, impls.Tensor, error) {
	s, q := &c.now, keys.Rows
	if err := checkEach(c.shape, len(s.n), &keys, &values, lengths); err != nil {
		return impls.Tensor{}, impls.Tensor{}, err
	}
	for b, length := range lengths {
		for i := range length {
			s.place(cell{s.n[b] + i, []int{b}, take(&keys, &values, b, q-length+i)}, c.shape.Window, c.bug)
		}
	}
	k, v := pair(c.shape, len(lengths), len(s.cells))
	c.positions, c.visible = make([][]int, len(lengths)), make([][][]bool, len(lengths))
	for b, length := range lengths {
		c.positions[b], c.visible[b] = make([]int, len(s.cells)), make([][]bool, q)
		for at, x := range s.cells {
			x.row.put(&k, &v, b, at)
			c.positions[b][at] = x.of(b)
		}
		for i := range q {
			c.visible[b][i] = make([]bool, len(s.cells))
			p := s.n[b] + i - (q - length)
			lo, hi := oldest(p, c.shape.Window), p
			if c.bug != sound {
				lo, hi = c.wrongMask(lo, hi, s.n[b], length)
			}
			for at, held := range c.positions[b] {
				c.visible[b][i][at] = p >= s.n[b] && lo <= held && held <= hi
			}
		}
		s.n[b] += length
	}
	return k, v, nil
}

// Positions implements impls.Positioner.
func (c *Cells) Positions() [][]int { return c.positions }

// Visible implements impls.Masker.
func (c *Cells) Visible() [][][]bool { return c.visible }
