package caches

import "github.com/slidefuzz/slidefuzz/impls"

// Pages keeps its tokens in pages of 4 rows, as vLLM and SGLang do: a table says in
// which pages of a pool those of each batch entry lie. Entries and snapshots share
// pages, which count who holds them; who writes to a shared page copies it first.
type Pages struct {
	hook
	shape impls.Shape
	pool  pool
	snapshots[table]
}

// NewPages makes an empty cache.
func NewPages(s impls.Shape) (*Pages, error) {
	return ready(&Pages{shape: s}, s)
}

// Reset implements impls.Cache.
func (c *Pages) Reset() {
	c.now.drop()
	c.now = table{pool: &c.pool, pages: make([][]int, c.shape.Batch)}
}

// Update implements impls.Cache.
func (c *Pages) Update(keys, values impls.Tensor) (impls.Tensor, impls.Tensor, error) {
	t := &c.now
	if err := checkChunk(c.shape, len(t.pages), &keys, &values); err != nil {
		return impls.Tensor{}, impls.Tensor{}, err
	}
	n, lo := t.n+keys.Rows, oldest(t.n, c.shape.Window)
	for b := range t.pages {
		if c.bug != writesShared {
			t.ownLast(b)
		}
		for p := t.n; p < n; p++ {
			*t.row(b, p) = take(&keys, &values, b, p-t.n)
		}
	}
	if c.bug == paddedBatch {
		c.padBatch(&keys)
	}
	k, v := pair(c.shape, len(t.pages), n-lo)
	for b := range t.pages {
		for p := lo; p < n; p++ {
			t.row(b, p).put(&k, &v, b, p-lo)
		}
	}
	t.trim(n, oldest(n, c.shape.Window))
	return k, v, nil
}

// Select implements impls.Selector.
func (c *Pages) Select(entries []int) error {
	if err := checkSelect(entries, len(c.now.pages)); err != nil {
		return err
	}
	old := c.now
	c.now = old.share(entries)
	old.drop()
	return nil
}

// Crop implements impls.Cropper. It refuses what needs pages that were freed.
func (c *Pages) Crop(n int) error {
	lo := oldest(n, c.shape.Window)
	if n < 0 || n < c.now.n && lo < c.now.first*pageRows {
		return refuse("crop", "to %d of %d tokens: the first %d are freed", n, c.now.n, c.now.first*pageRows)
	}
	if n < c.now.n {
		c.now.trim(n, lo)
	}
	return nil
}
