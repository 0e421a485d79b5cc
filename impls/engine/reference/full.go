package reference

import (
	"fmt"

	"github.com/slidefuzz/slidefuzz/impls"
)

// everything is the cache of a layer that sees all tokens: a list to which rows are
// added. Its buffers have the layout tokens-first, so that adding moves nothing.
type everything struct {
	shape impls.Shape
	n     int
	rows  [2][]byte // keys and values
}

func newEverything(s impls.Shape) *everything {
	s.Layout = impls.TokensFirst
	return &everything{shape: s}
}

// Reset implements impls.Cache.
func (c *everything) Reset() { c.n, c.rows = 0, [2][]byte{} }

// Update implements impls.Cache.
func (c *everything) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	for i, t := range [...]*impls.Tensor{&keys, &values} {
		for r := range t.Rows {
			for lane := range t.Lanes() {
				c.rows[i] = append(c.rows[i], t.Row(lane, r)...)
			}
		}
	}
	c.n += keys.Rows
	return impls.TensorOver(c.shape, c.n, c.rows[0]), impls.TensorOver(c.shape, c.n, c.rows[1]), nil
}

// Crop implements impls.Cropper.
func (c *everything) Crop(n int) error {
	if n < 0 {
		return &impls.RefusedError{Op: "crop", Reason: fmt.Sprintf("to %d tokens", n)}
	}
	c.n = min(n, c.n)
	for i := range c.rows {
		c.rows[i] = c.rows[i][:c.n*c.shape.Lanes()*c.shape.RowBytes()]
	}
	return nil
}

// clone is a cache with the same tokens and memory of its own.
func (c *everything) clone() *everything {
	n := newEverything(c.shape)
	n.n = c.n
	for i := range c.rows {
		n.rows[i] = append([]byte(nil), c.rows[i]...)
	}
	return n
}
