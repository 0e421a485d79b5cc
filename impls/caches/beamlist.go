package caches

import "slices"

// held is a token that an entry holds. Its row is never written to.
type held struct {
	pos int
	row row
}

// beam is one batch entry: how many tokens it has had, and those that it holds,
// oldest first.
type beam struct {
	n    int
	held []held
}

// count is how many tokens it holds from a position on.
func (x *beam) count(lo int) (n int) {
	for _, h := range x.held {
		if h.pos >= lo {
			n++
		}
	}
	return n
}

// beams is the entries of a batch.
type beams []beam

func (s beams) clone() beams {
	all := slices.Clone(s)
	for b := range all {
		all[b].held = slices.Clone(all[b].held)
	}
	return all
}

func (beams) drop() {}

// from is the tokens of a list from a position on, and the sinks.
func (c *Beams) from(lo int, list []held) []held {
	return slices.DeleteFunc(slices.Clone(list), func(h held) bool {
		return h.pos < lo && h.pos >= c.SinkTokens && c.bug != neverEvicts
	})
}

// Select implements impls.Selector.
func (c *Beams) Select(entries []int) error {
	if err := checkSelect(entries, len(c.now)); err != nil {
		return err
	}
	old := c.now
	c.now = beams(choose(old, entries)).clone()
	switch c.bug {
	case valuesStay:
		c.leaveValues(old)
	case dropMisaligns:
		c.misalign(old)
	}
	return nil
}

// Crop implements impls.Cropper.
func (c *Beams) Crop(n int) error { return c.CropEach(slices.Repeat([]int{n}, len(c.now))) }

// CropEach implements impls.RaggedCropper. It refuses what needs tokens that were
// dropped.
func (c *Beams) CropEach(lengths []int) error {
	if err := checkCrop(lengths, len(c.now)); err != nil {
		return err
	}
	if c.bug == oneRollback {
		lengths = slices.Repeat(lengths[:1], len(lengths))
	}
	cropped := c.now.clone()
	for b, n := range lengths {
		x := &cropped[b]
		if n >= x.n {
			continue
		}
		x.n, x.held = n, slices.DeleteFunc(x.held, func(h held) bool { return h.pos >= n })
		// The sinks may be among those, with a gap behind them.
		if lo := oldest(n, c.shape.Window); x.count(lo) < n-lo {
			return refuse("crop", "entry %d to %d of %d tokens: some that its window needs are gone", b, n, c.now[b].n)
		}
	}
	c.now = cropped
	return nil
}
