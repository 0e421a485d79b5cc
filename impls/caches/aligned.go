package caches

import (
	"fmt"

	"github.com/slidefuzz/slidefuzz/impls"
)

// wordElements is the elements that a kernel moves at once, which head dims must
// then be multiples of: 16 bytes, the widest load of a GPU's thread, hold eight of
// two bytes.
const wordElements = 8

// Aligned concatenates and cuts, as the dynamic sliding layer of transformers
// does, with the vectorised copy of a GPU's kernel, which takes no head dim that is
// not a multiple of 8.
type Aligned struct {
	shape        impls.Shape
	keys, values impls.Tensor // the newest tokens, Window-1 at most
}

// NewAligned makes an empty cache. It refuses a dim that is no multiple of 8.
func NewAligned(s impls.Shape) (*Aligned, error) {
	if s.Dim%wordElements != 0 {
		return nil, fmt.Errorf("dim %d: want a multiple of %d", s.Dim, wordElements)
	}
	return ready(&Aligned{shape: s}, s)
}

// Reset implements impls.Cache.
func (c *Aligned) Reset() { c.keys, c.values = pair(c.shape, c.shape.Batch, 0) }

// Update implements impls.Cache.
func (c *Aligned) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if err := checkChunk(c.shape, c.shape.Batch, &keys, &values); err != nil {
		return k, v, err
	}
	k, v = c.cat(&c.keys, &keys), c.cat(&c.values, &values)
	from := max(0, k.Rows-(c.shape.Window-1))
	c.keys, c.values = k.Slice(from, k.Rows), v.Slice(from, v.Rows)
	return k, v, nil
}

// cat is the rows of a, then those of b, in memory of its own.
func (c *Aligned) cat(a, b *impls.Tensor) impls.Tensor {
	out := impls.NewTensor(c.shape, a.Rows+b.Rows)
	for lane := range out.Lanes() {
		for r := range a.Rows {
			c.copyWords(out.Row(lane, r), a.Row(lane, r))
		}
		for r := range b.Rows {
			c.copyWords(out.Row(lane, a.Rows+r), b.Row(lane, r))
		}
	}
	return out
}

// copyWords copies a row, word by word.
func (c *Aligned) copyWords(dst, src []byte) {
	word := wordElements * c.shape.DType.Size()
	for at := 0; at < len(dst); at += word {
		copy(dst[at:], src[at:min(at+word, len(src))])
	}
}
