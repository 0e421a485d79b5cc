package caches

import "slices"

// entry is one sequence of a batch that goes its own way.
type entry[E any] interface {
	tokens() int // how many it has had
	// holds reports whether tokens lo to hi-1 are all there; crop forgets those from
	// n on, of more.
	holds(lo, hi int) bool
	crop(n int)
	// clone is a copy that shares nothing that is written to; drop gives back what is
	// held of a pool.
	clone() E
	drop()
}

// batch is the entries of the moment and those that were saved: what caches share
// whose entries are chosen, cropped and saved.
type batch[E entry[E]] struct {
	base
	now    []E
	saved  map[int][]E
	midway bool // some layers have had a chunk and some have not: nothing else is done then
}

// begin drops the entries and makes those of an empty cache.
func (c *batch[E]) begin(fresh func() E) {
	old := c.now
	c.now, c.midway = nil, false
	for range c.shape.Batch {
		c.now = append(c.now, fresh())
	}
	if c.bug == staleAfterReset {
		leaveCells(any(c.now), any(old))
	}
	dropAll(old)
}

// Select implements impls.Selector.
func (c *batch[E]) Select(entries []int) error {
	if len(entries) == 0 || slices.Min(entries) < 0 || slices.Max(entries) >= len(c.now) {
		return refuse("select", "entries %v of a batch of %d", entries, len(c.now))
	}
	if c.midway {
		return midway("select")
	}
	var chosen []E
	for _, b := range entries {
		chosen = append(chosen, c.now[b])
	}
	old := c.now
	c.now = cloneAll(chosen)
	if c.bug != sound {
		wrongSelect(c.bug, any(c.now), any(old))
	}
	dropAll(old)
	return nil
}

// Crop implements impls.Cropper.
func (c *batch[E]) Crop(n int) error { return c.cropEach(slices.Repeat([]int{n}, len(c.now))) }

// cropEach is CropEach of an impls.RaggedCropper. It refuses what needs tokens that
// are gone.
func (c *batch[E]) cropEach(lengths []int) error {
	if len(lengths) != len(c.now) || slices.Min(lengths) < 0 {
		return refuse("crop", "to %v tokens, want one number from 0 on for each of %d entries", lengths, len(c.now))
	}
	if c.midway {
		return midway("crop")
	}
	if c.bug == oneRollback {
		lengths = slices.Repeat(lengths[:1], len(lengths))
	}
	for b, n := range lengths {
		if x := c.now[b]; n < x.tokens() && !x.holds(oldest(n, c.shape.Window), n) && c.bug != layersDisagree {
			return refuse("crop", "entry %d to %d of %d tokens: some that its window needs are gone", b, n, x.tokens())
		}
	}
	for b, n := range lengths {
		if n < c.now[b].tokens() {
			c.now[b].crop(n)
		}
	}
	return nil
}

// Snapshot implements impls.Snapshotter.
func (c *batch[E]) Snapshot(id int) error {
	if c.midway {
		return midway("snapshot")
	}
	if c.saved == nil {
		c.saved = map[int][]E{}
	}
	was := c.saved[id]
	c.saved[id] = cloneAll(c.now)
	dropAll(was)
	return nil
}

// Restore implements impls.Snapshotter.
func (c *batch[E]) Restore(id int) error {
	was, ok := c.saved[id]
	if !ok {
		return refuse("restore", "no snapshot %d", id)
	}
	if c.midway {
		return midway("restore")
	}
	old := c.now
	c.now = cloneAll(was)
	dropAll(old)
	return nil
}

func midway(op string) error {
	return refuse(op, "in the middle of a chunk: hand it to the other layers first")
}

func cloneAll[E entry[E]](list []E) (all []E) {
	for _, x := range list {
		all = append(all, x.clone())
	}
	return all
}

func dropAll[E entry[E]](list []E) {
	for _, x := range list {
		x.drop()
	}
}
