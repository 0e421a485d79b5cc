package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Cells is a pool of cells, as llama.cpp's unified KV cache: a token lies in the first
// cell that is free. Update returns the whole pool to every batch entry, and a mask
// says which cells each query sees.
type Cells struct {
	shape     impls.Shape
	n, first  int    // how many tokens each entry has had, and the first that is held
	cells     []held // the tokens of all entries, and those of free cells
	owner     []int  // of each cell, -1 for none
	positions [][]int
	visible   [][][]bool
}

// NewCells makes an empty cache.
func NewCells(s impls.Shape) (*Cells, error) { return ready(&Cells{shape: s}, s) }

// Reset implements impls.Cache.
func (c *Cells) Reset() { *c = Cells{shape: c.shape} }

// Update implements impls.Cache.
func (c *Cells) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if err := checkChunk(c.shape, c.shape.Batch, &keys, &values); err != nil {
		return k, v, err
	}
	c.keep(oldest(c.n, c.shape.Window), c.n)
	for b := range keys.Batch {
		for _, x := range takeLast(&keys, &values, b, keys.Rows, c.n) {
			at := slices.Index(c.owner, -1)
			if at < 0 {
				at, c.cells, c.owner = len(c.cells), append(c.cells, x), append(c.owner, b)
			}
			c.cells[at], c.owner[at] = x, b
		}
	}
	c.visible = make([][][]bool, keys.Batch)
	for b := range c.visible {
		for p := c.n; p < c.n+keys.Rows; p++ {
			mask := make([]bool, len(c.cells))
			for at, x := range c.cells {
				mask[at] = c.owner[at] == b && oldest(p, c.shape.Window) <= x.pos && x.pos <= p
			}
			c.visible[b] = append(c.visible[b], mask)
		}
	}
	c.n += keys.Rows
	k, v, c.positions = gather(c.shape, slices.Repeat([][]held{c.cells}, keys.Batch))
	return k, v, nil
}

// keep frees the cells of all tokens but lo to n-1 of each entry.
func (c *Cells) keep(lo, n int) {
	for at, x := range c.cells {
		if x.pos < lo || x.pos >= n {
			c.owner[at] = -1
		}
	}
	c.n, c.first = n, lo
}

// Crop implements impls.Cropper. It refuses what needs tokens whose cells are free.
func (c *Cells) Crop(n int) error {
	if lo := oldest(n, c.shape.Window); n < 0 || n < c.n && lo < c.first {
		return refuse("crop", "to %d of %d tokens: the first %d are gone", n, c.n, c.first)
	}
	c.keep(c.first, min(n, c.n))
	return nil
}

// Positions and Visible implement impls.Positioner and impls.Masker.
func (c *Cells) Positions() [][]int  { return c.positions }
func (c *Cells) Visible() [][][]bool { return c.visible }
