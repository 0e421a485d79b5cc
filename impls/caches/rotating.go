package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Rotating goes round in Window rows while it decodes, and concatenates where a chunk of
// several tokens comes, as the rotating cache of mlx-lm does: that path first puts the
// rows in the order of time.
type Rotating struct {
	shape     impls.Shape
	n, next   int      // tokens of each entry; the row that is written next, in a full ring
	rows      [][]held // by entry
	positions [][]int
}

// NewRotating makes an empty cache.
func NewRotating(s impls.Shape) (*Rotating, error) { return ready(&Rotating{shape: s}, s) }

// Reset implements impls.Cache.
func (c *Rotating) Reset() { *c = Rotating{shape: c.shape, rows: make([][]held, c.shape.Batch)} }

// Update implements impls.Cache.
func (c *Rotating) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if err := checkChunk(c.shape, c.shape.Batch, &keys, &values); err != nil {
		return k, v, err
	}
	w := c.shape.Window
	if keys.Rows != 1 {
		c.inOrder()
		for b, list := range c.rows {
			c.rows[b] = newest(list, w-1)
		}
	}
	c.write(&keys, &values)
	k, v, c.positions = gather(c.shape, c.rows)
	return k, v, nil
}

// write puts a chunk behind the rows, and a single token, where the ring is full, in
// the place of the oldest.
func (c *Rotating) write(keys, values *impls.Tensor) {
	w := c.shape.Window
	full := keys.Rows == 1 && len(c.rows[0]) >= w
	if full && len(c.rows[0]) > w { // a chunk came before
		c.inOrder()
	}
	for b, list := range c.rows {
		chunk := takeLast(keys, values, b, keys.Rows, c.n)
		if full {
			c.rows[b] = newest(list, w)
			c.rows[b][c.next] = chunk[0]
		} else {
			c.rows[b] = slices.Concat(list, chunk)
		}
	}
	if full {
		c.next = (c.next + 1) % w
	}
	c.n += keys.Rows
}

// inOrder puts the rows in the order of time.
func (c *Rotating) inOrder() {
	for b, list := range c.rows {
		c.rows[b] = slices.Concat(list[c.next:], list[:c.next])
	}
	c.next = 0
}

// Crop implements impls.Cropper. It refuses what needs tokens that are gone.
func (c *Rotating) Crop(n int) error {
	held := min(len(c.rows[0]), c.n)
	if n < 0 || n < c.n && oldest(n, c.shape.Window) < c.n-held {
		return refuse("crop", "to %d of %d tokens, of which %d are held", n, c.n, held)
	}
	if cut := c.n - n; cut > 0 {
		c.inOrder()
		for b, list := range c.rows {
			c.rows[b] = list[:max(0, len(list)-cut)]
		}
		c.n = n
	}
	return nil
}

// Positions implements impls.Positioner.
func (c *Rotating) Positions() [][]int { return c.positions }
