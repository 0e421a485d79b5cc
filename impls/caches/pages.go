package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Pages keeps its tokens in pages of 4 rows, as vLLM and SGLang do: a table lists
// the pages of each batch entry. Forked entries share pages, and who writes to a shared
// page copies it first.
type Pages struct {
	shape impls.Shape
	n     int       // tokens of each entry
	table [][]*page // by entry; a page that has left the window is nil
}

// pageRows is the tokens of a page: few, so that short sequences fill several.
const pageRows = 4

type page struct {
	shared bool
	rows   [pageRows]held
}

// NewPages makes an empty cache.
func NewPages(s impls.Shape) (*Pages, error) { return ready(&Pages{shape: s}, s) }

// Reset implements impls.Cache.
func (c *Pages) Reset() { c.n, c.table = 0, make([][]*page, c.shape.Batch) }

// Update implements impls.Cache.
func (c *Pages) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if err := checkChunk(c.shape, len(c.table), &keys, &values); err != nil {
		return k, v, err
	}
	n, w := c.n+keys.Rows, c.shape.Window
	seen := make([][]held, len(c.table))
	for b := range c.table {
		for _, x := range takeLast(&keys, &values, b, keys.Rows, c.n) {
			c.own(b, x.pos).rows[x.pos%pageRows] = x
		}
		for p := oldest(c.n, w); p < n; p++ {
			seen[b] = append(seen[b], c.table[b][p/pageRows].rows[p%pageRows])
		}
		clear(c.table[b][:oldest(n, w)/pageRows])
	}
	c.n = n
	k, v, _ = gather(c.shape, seen)
	return k, v, nil
}

// own is the page of a position, to be written to: a new one behind the last, or a
// copy of one that is shared.
func (c *Pages) own(b, position int) *page {
	at := position / pageRows
	if at == len(c.table[b]) {
		c.table[b] = append(c.table[b], &page{})
	} else if old := c.table[b][at]; old.shared {
		c.table[b][at] = &page{rows: old.rows}
	}
	return c.table[b][at]
}

// Select implements impls.Selector.
func (c *Pages) Select(entries []int) error {
	if err := checkSelect(entries, len(c.table)); err != nil {
		return err
	}
	c.table = choose(c.table, entries)
	for b, list := range c.table {
		c.table[b] = slices.Clone(list)
		for _, x := range list[min(len(list), oldest(c.n, c.shape.Window)/pageRows):] {
			x.shared = true
		}
	}
	return nil
}
