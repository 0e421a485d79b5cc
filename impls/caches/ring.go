package caches

import "github.com/slidefuzz/slidefuzz/impls"

// Ring is the plain ring buffer of Window rows, as in Mistral's reference
// code and in LiteRT-LM: the token at position p lies in row p modulo Window. A
// chunk must fit before the ring is full, and a single token is always taken.
type Ring struct {
	shape        impls.Shape
	long         bool
	n            int
	keys, values impls.Tensor
	whole        bool // the last chunk was returned whole
}

// NewRing makes an empty ring. long says whether it takes chunks of more than
// Window tokens, as the narrow contract asks: it returns them whole and stores
// their last rows.
func NewRing(s impls.Shape, long bool) (*Ring, error) {
	return ready(&Ring{shape: s, long: long}, s)
}

// Reset implements impls.Cache.
func (c *Ring) Reset() {
	c.n, c.whole = 0, false
	c.keys, c.values = pair(c.shape, c.shape.Batch, c.shape.Window)
}

// Update implements impls.Cache.
func (c *Ring) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if err := checkChunk(c.shape, c.shape.Batch, &keys, &values); err != nil {
		return k, v, err
	}
	q, w := keys.Rows, c.shape.Window
	long := q > w && c.long
	if q != 1 && !long && (q == 0 || c.n+q > w) {
		return k, v, refuse("update", "%d tokens after %d in a ring of %d rows", q, c.n, w)
	}
	// The chunk may be a view of the ring, which is written below.
	keys, values = keys.Clone(c.shape), values.Clone(c.shape)
	for r := max(0, q-w); r < q; r++ {
		at := (c.n + r) % w
		move(&c.keys, at, &keys, r)
		move(&c.values, at, &values, r)
	}
	c.n, c.whole = c.n+q, long
	if long {
		return keys, values, nil
	}
	return c.keys, c.values, nil
}

// Positions implements impls.Positioner. A chunk that was returned whole has its
// rows in their order.
func (c *Ring) Positions() [][]int {
	if c.whole {
		return nil
	}
	return [][]int{inRing(c.n, c.shape.Window)}
}
