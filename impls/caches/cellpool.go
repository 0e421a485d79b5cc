package caches

import "slices"

// cell is one token of every batch entry that it belongs to; one of none is free. Its
// row and its entries are replaced, never written to.
type cell struct {
	pos     int
	entries []int
	row     row
}

// of is which token of an entry the cell holds, -1 for none.
func (x cell) of(b int) int {
	if slices.Contains(x.entries, b) {
		return x.pos
	}
	return -1
}

// cellPool is the cells of a batch whose entries have n tokens each.
type cellPool struct {
	n     []int
	cells []cell
}

func (s cellPool) clone() cellPool { return cellPool{slices.Clone(s.n), slices.Clone(s.cells)} }

func (cellPool) drop() {}

// place puts a cell where there is one that no query sees any more, else behind the
// last.
func (s *cellPool) place(x cell, window int, bug bug) {
	if b := x.entries[0]; (bug == staleAfterCrop || bug == staleAfterReset) && s.holds(b, x.pos, x.pos+1) {
		return
	}
	at := slices.IndexFunc(s.cells, func(y cell) bool {
		return !slices.ContainsFunc(y.entries, func(b int) bool { return y.pos >= oldest(s.n[b], window) })
	})
	if at < 0 {
		s.cells = append(s.cells, x)
		return
	}
	s.cells[at] = x
}

// holds reports whether tokens lo to hi-1 of an entry are in cells.
func (s *cellPool) holds(b, lo, hi int) bool {
	found := 0
	for _, x := range s.cells {
		if p := x.of(b); lo <= p && p < hi {
			found++
		}
	}
	return found == hi-lo
}

// Select implements impls.Selector.
func (c *Cells) Select(entries []int) error {
	s := &c.now
	if err := checkSelect(entries, len(s.n)); err != nil {
		return err
	}
	s.n = choose(s.n, entries)
	for at, x := range s.cells {
		s.cells[at].entries = nil
		for i, b := range entries {
			if slices.Contains(x.entries, b) {
				s.cells[at].entries = append(s.cells[at].entries, i)
			}
		}
	}
	return nil
}

// Crop implements impls.Cropper.
func (c *Cells) Crop(n int) error { return c.CropEach(slices.Repeat([]int{n}, len(c.now.n))) }

// CropEach implements impls.RaggedCropper. It refuses what needs cells that were
// used anew.
func (c *Cells) CropEach(lengths []int) error {
	s := &c.now
	if err := checkCrop(lengths, len(s.n)); err != nil {
		return err
	}
	for b, n := range lengths {
		if n < s.n[b] && !s.holds(b, oldest(n, c.shape.Window), n) {
			return refuse("crop", "entry %d to %d of %d tokens: some that its window needs are gone", b, n, s.n[b])
		}
	}
	for b, n := range lengths {
		s.n[b] = min(s.n[b], n)
	}
	if c.bug != staleAfterCrop {
		for at, x := range s.cells {
			s.cells[at].entries = slices.DeleteFunc(slices.Clone(x.entries), func(b int) bool { return x.pos >= s.n[b] })
		}
	}
	return nil
}
