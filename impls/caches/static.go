package caches

import "github.com/slidefuzz/slidefuzz/impls"

// Static is one buffer of Window rows that moves to the left, as the static sliding
// layer of transformers: the narrow contract.
type Static struct {
	shape        impls.Shape
	n            int
	keys, values impls.Tensor
	// shift moves all rows but the first one row to the left; what the last row then
	// holds is overwritten.
	shift func(x *impls.Tensor)
}

// NewStatic makes an empty cache.
func NewStatic(s impls.Shape) (*Static, error) { return ready(&Static{shape: s, shift: shiftLeft}, s) }

// shiftLeft goes from the first row on: none is overwritten before it is read.
func shiftLeft(x *impls.Tensor) {
	for r := range x.Rows - 1 {
		move(x, r, x, r+1)
	}
}

// Reset implements impls.Cache.
func (c *Static) Reset() {
	c.n = 0
	c.keys, c.values = pair(c.shape, c.shape.Batch, c.shape.Window)
}

// Update implements impls.Cache.
func (c *Static) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	q, w := keys.Rows, c.shape.Window
	if err := checkChunk(c.shape, c.shape.Batch, &keys, &values); err != nil {
		return k, v, err
	}
	if q == 0 || q > 1 && q <= w && c.n+q > w {
		return k, v, refuse("update", "%d tokens after %d in a window of %d rows", q, c.n, w)
	}
	// The chunk may be a view of the buffer, which is written below.
	keys, values = keys.Clone(c.shape), values.Clone(c.shape)
	c.write(&c.keys, &keys)
	c.write(&c.values, &values)
	if c.n += q; q > w {
		return keys, values, nil
	}
	return c.keys, c.values, nil
}

// write puts a chunk behind the rows of a buffer; of a longer one its last rows are all.
func (c *Static) write(x, chunk *impls.Tensor) {
	at, from := c.n, 0
	switch q := chunk.Rows; {
	case q > x.Rows:
		at, from = 0, q-x.Rows
	case at+q > x.Rows:
		c.shift(x)
		at = x.Rows - 1
	}
	for r := from; r < chunk.Rows; r++ {
		move(x, at+r-from, chunk, r)
	}
}

// Stored implements impls.Storer.
func (c *Static) Stored() (keys, values impls.Tensor) { return c.keys, c.values }
