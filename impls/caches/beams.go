package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Beams is what beam search and speculative decoding ask of a cache, as mlx-lm's batch
// caches and the reorder_cache of transformers give it: a list of rows for each batch
// entry, which is cropped, repeated and dropped for itself.
type Beams struct {
	ragged[*beam]
	sinks int
}

// NewBeams makes an empty cache whose queries see the first sinks tokens besides their
// window; 0 for none.
func NewBeams(s impls.Shape, sinks int) (*Beams, error) {
	return ready(&Beams{sinks: sinks}, s)
}

// Reset implements impls.Cache.
func (c *Beams) Reset() { c.begin(func() *beam { return &beam{bug: c.bug, sinks: c.sinks} }) }

// Sinks implements impls.Sinker.
func (c *Beams) Sinks() int { return c.sinks }

// beam is one entry: how many tokens it has had, and those that it holds, oldest first.
type beam struct {
	bug      bug
	sinks, n int
	list     []held
}

func (x *beam) tokens() int { return x.n }

// holds reckons that sinks may be among those, with a gap behind them.
func (x *beam) holds(lo, hi int) bool {
	found := 0
	for _, h := range x.list {
		if lo <= h.pos && h.pos < hi {
			found++
		}
	}
	return found == hi-lo
}

func (x *beam) append(r row) {
	x.list = append(x.list, held{x.n, r})
	x.n++
}

func (x *beam) rows(lo int) []held {
	return slices.DeleteFunc(slices.Clone(x.list), func(h held) bool {
		return h.pos < lo && h.pos >= x.sinks && x.bug != neverEvicts
	})
}

// slide keeps as many tokens again as a window has, for crops.
func (x *beam) slide(window int) { x.list = x.rows(oldest(x.n, 2*window)) }

func (x *beam) crop(n int) {
	x.n = n
	x.list = slices.DeleteFunc(x.list, func(h held) bool { return h.pos >= n })
}

func (x *beam) clone() *beam {
	c := *x
	c.list = slices.Clone(x.list)
	return &c
}

func (*beam) drop() {}
