package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// The faults of real systems, each planted in a sound cache by doing something more,
// or something else, around it.

// ringWrapsEarly goes round one row less once it is full.
type ringWrapsEarly struct{ *Ring }

func (c ringWrapsEarly) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	n, w := c.n, c.shape.Window
	was := [...]impls.Tensor{c.keys.Clone(c.shape), c.values.Clone(c.shape)}
	if k, v, err = c.Ring.Update(keys, values); err != nil || n < w || w == 1 || n%w == n%(w-1) {
		return k, v, err
	}
	for t, x := range [...]*impls.Tensor{&c.keys, &c.values} {
		move(x, n%(w-1), x, n%w)
		move(x, n%w, &was[t], n%w)
	}
	return k, v, nil
}

// doubleRingOneRowShort has one row less than a chunk of Window+1 needs.
type doubleRingOneRowShort struct{ *DoubleRing }

func (c doubleRingOneRowShort) Reset() {
	c.DoubleRing.Reset()
	c.keys, c.values = pair(c.shape, c.shape.Batch, 2*c.shape.Window-1)
}

// alignedCopies16Bytes loses what comes after the first 16 bytes of a row.
type alignedCopies16Bytes struct{ *Aligned }

func (c alignedCopies16Bytes) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	keys, values = keys.Clone(c.shape), values.Clone(c.shape)
	for _, x := range [...]*impls.Tensor{&keys, &values} {
		for lane := range x.Lanes() {
			for r := range x.Rows {
				clear(x.Row(lane, r)[min(16, x.RowBytes()):])
			}
		}
	}
	return c.Aligned.Update(keys, values)
}

// pagesWritesShared writes to the last page of an entry though it is shared.
type pagesWritesShared struct{ *Pages }

func (c pagesWritesShared) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	for _, list := range c.table {
		if last := len(list) - 1; last >= 0 && list[last] != nil {
			list[last].shared = false
		}
	}
	return c.Pages.Update(keys, values)
}

// pagesPaddedBatch writes a row of zeros for the entries that fill the batch up to a
// power of two. They have no page of their own, and the first page is somebody's.
type pagesPaddedBatch struct{ *Pages }

func (c pagesPaddedBatch) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if k, v, err = c.Pages.Update(keys, values); err != nil || keys.Batch&(keys.Batch-1) == 0 {
		return k, v, err
	}
	if list := c.table[0]; len(list) > 0 && list[0] != nil {
		zeros := make([]byte, keys.Heads*keys.RowBytes())
		list[0].rows[0].row = row{zeros, zeros}
	}
	return k, v, nil
}

// staleCells takes tokens that are written anew for stored: where a position was
// written before, the old row stays.
type staleCells struct {
	*Cells
	stale map[[2]int]row // by entry and position
}

// leave notes the tokens from position n on.
func (c *staleCells) leave(n int) {
	if c.stale == nil {
		c.stale = map[[2]int]row{}
	}
	for at, x := range c.cells {
		if b := c.owner[at]; b >= 0 && x.pos >= n {
			c.stale[[2]int{b, x.pos}] = x.row
		}
	}
}

func (c *staleCells) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	n := c.n
	if k, v, err = c.Cells.Update(keys, values); err != nil {
		return k, v, err
	}
	for at, x := range c.cells {
		where := [2]int{c.owner[at], x.pos}
		if old, ok := c.stale[where]; ok && x.pos >= n {
			c.cells[at].row = old
			delete(c.stale, where)
		}
	}
	k, v, c.positions = gather(c.shape, slices.Repeat([][]held{c.cells}, c.shape.Batch))
	return k, v, nil
}

// cellsStaleAfterCrop leaves cells at a crop.
type cellsStaleAfterCrop struct{ staleCells }

func (c *cellsStaleAfterCrop) Reset() {
	c.Cells.Reset()
	clear(c.stale)
}

func (c *cellsStaleAfterCrop) Crop(n int) error {
	was := slices.Clone(c.owner)
	err := c.Cells.Crop(n)
	if err == nil {
		now := c.owner
		c.owner = was
		c.leave(n)
		c.owner = now
	}
	return err
}

// cellsStaleAfterReset leaves cells at a reset.
type cellsStaleAfterReset struct{ staleCells }

func (c *cellsStaleAfterReset) Reset() {
	c.leave(0)
	c.Cells.Reset()
}

// cellsOneMask has one mask for all queries of a chunk: what any of them sees.
type cellsOneMask struct{ *Cells }

func (c cellsOneMask) Visible() [][][]bool {
	for _, queries := range c.visible {
		all := make([]bool, len(c.cells))
		for _, mask := range queries {
			for at, seen := range mask {
				all[at] = all[at] || seen
			}
		}
		for i := range queries {
			queries[i] = all
		}
	}
	return c.visible
}

// cellsWideWindow lets queries see the token before their window too, where a cell
// still holds it.
type cellsWideWindow struct{ *Cells }

func (c cellsWideWindow) Visible() [][][]bool {
	for b, queries := range c.visible {
		for i, mask := range queries {
			before := c.n - len(queries) + i - c.shape.Window
			for at, x := range c.cells {
				mask[at] = mask[at] || c.owner[at] == b && x.pos == before
			}
		}
	}
	return c.visible
}

// newBeamsNeverEvict makes a cache that never applies its window.
func newBeamsNeverEvict(s impls.Shape) (impls.Cache, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	s.Window = impls.MaxExtent
	return NewBeams(s)
}

// beamsValuesStay moves the keys alone when entries are selected.
type beamsValuesStay struct{ *Beams }

func (c beamsValuesStay) Select(entries []int) error {
	old := c.now
	if err := c.Beams.Select(entries); err != nil {
		return err
	}
	for b := range min(len(c.now), len(old)) {
		list := slices.Clone(c.now[b])
		for i := range min(len(list), len(old[b])) {
			list[i].row[1] = old[b][i].row[1]
		}
		c.now[b] = list
	}
	return nil
}

// beamsDropMisaligns leaves the lengths in their places when entries are dropped: the
// tokens of those that stay move to other positions.
type beamsDropMisaligns struct{ *Beams }

func (c beamsDropMisaligns) Select(entries []int) error {
	old := c.now
	if err := c.Beams.Select(entries); err != nil || len(c.now) >= len(old) {
		return err
	}
	for b := range c.now {
		list := slices.Clone(c.now[b])
		for i := range list {
			list[i].pos += count(old[b]) - count(c.now[b])
		}
		c.now[b] = slices.DeleteFunc(list, func(x held) bool { return x.pos < 0 })
	}
	return nil
}

// beamsOneRollback cuts all entries to the length of the first.
type beamsOneRollback struct{ *Beams }

func (c beamsOneRollback) CropEach(lengths []int) error {
	if err := checkCrop(lengths, len(c.now)); err != nil {
		return err
	}
	return c.Beams.CropEach(slices.Repeat(lengths[:1], len(lengths)))
}

// hybridLayersDisagree grants a crop if the layers without a window can do it.
type hybridLayersDisagree struct{ *Hybrid }

func (c hybridLayersDisagree) Crop(n int) error {
	if err := c.Hybrid.Crop(n); err == nil || n < 0 {
		return err
	}
	for _, l := range c.layers {
		for b, list := range l.now {
			l.now[b] = slices.DeleteFunc(slices.Clone(list), func(x held) bool { return x.pos >= n })
		}
	}
	return nil
}

// hybridWindowsStay leaves the layers with a window out when entries are selected, but
// for how many there are.
type hybridWindowsStay struct{ *Hybrid }

func (c hybridWindowsStay) Select(entries []int) error {
	var was []beams
	for _, l := range c.layers {
		was = append(was, l.now)
	}
	if err := c.Hybrid.Select(entries); err != nil {
		return err
	}
	for i, l := range c.layers {
		if l.shape.Window != impls.MaxExtent {
			copy(l.now, was[i])
		}
	}
	return nil
}
