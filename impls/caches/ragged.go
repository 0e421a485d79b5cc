package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// growing is an entry that takes tokens one by one.
type growing[E any] interface {
	entry[E]
	// slide forgets what no query will see; append takes the next token.
	slide(window int)
	append(x row)
	// rows is what Update returns, with at least the tokens from lo on.
	rows(lo int) []held
}

// ragged is a batch whose entries take another number of tokens each.
type ragged[E growing[E]] struct {
	batch[E]
	// Of the last chunk: where its rows are, its tokens by entry, those before, and
	// the largest of lengths.
	positions       [][]int
	lengths, before []int
	q               int
}

// Update implements impls.Cache.
func (c *ragged[E]) Update(keys, values impls.Tensor) (impls.Tensor, impls.Tensor, error) {
	return c.UpdateEach(keys, values, slices.Repeat([]int{keys.Rows}, len(c.now)))
}

// UpdateEach implements impls.RaggedUpdater.
func (c *ragged[E]) UpdateEach(keys, values impls.Tensor, lengths []int) (impls.Tensor, impls.Tensor, error) {
	if err := checkChunk(c.shape, len(c.now), &keys, &values); err != nil {
		return impls.Tensor{}, impls.Tensor{}, err
	}
	if len(lengths) != len(c.now) || slices.Min(lengths) < 0 || slices.Max(lengths) != keys.Rows {
		return impls.Tensor{}, impls.Tensor{}, refuse("update", "lengths %v for %d entries and %d rows: want one for each entry, from 0 on, the largest as many as there are rows", lengths, len(c.now), keys.Rows)
	}
	c.q, c.lengths, c.before = keys.Rows, slices.Clone(lengths), nil
	for b, x := range c.now {
		c.before = append(c.before, x.tokens())
		x.slide(c.shape.Window)
		for r := keys.Rows - lengths[b]; r < keys.Rows; r++ {
			x.append(take(&keys, &values, b, r))
		}
	}
	if c.bug == paddedBatch {
		padBatch(any(c.now), &keys)
	}
	var lists [][]held
	for b, x := range c.now {
		lists = append(lists, x.rows(oldest(c.before[b], c.shape.Window)))
	}
	k, v, positions := gather(c.shape, lists)
	c.positions = positions
	return k, v, nil
}

// Positions implements impls.Positioner.
func (c *ragged[E]) Positions() [][]int { return c.positions }

// CropEach implements impls.RaggedCropper.
func (c *ragged[E]) CropEach(lengths []int) error { return c.cropEach(lengths) }

// mask is which rows each query of the last chunk attends to, as Visible of an
// impls.Masker. The first rows of an entry that took fewer tokens are no queries, and
// see nothing.
func (c *ragged[E]) mask() (mask [][][]bool) {
	for b, n := range c.before {
		entry := make([][]bool, c.q)
		for i := range entry {
			p := n + i - (c.q - c.lengths[b])
			lo, hi := oldest(p, c.shape.Window), p
			if c.bug != sound {
				lo, hi = wrongMask(c.bug, c.shape.Window, n, c.lengths[b], p)
			}
			for _, at := range c.positions[b] {
				entry[i] = append(entry[i], p >= n && lo <= at && at <= hi)
			}
		}
		mask = append(mask, entry)
	}
	return mask
}
