package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// bug is a fault planted on purpose, from real systems.
type bug uint8

const (
	sound           bug = iota
	wrapsEarly          // once full, the newest tokens go round one row less
	oneRowShort         // the ring has a row less than a chunk of Window+1 needs
	copies16Bytes       // a row's copy ends after 16 bytes
	writesShared        // a shared page is written to
	paddedBatch         // entries that pad the batch write to a live page
	staleAfterCrop      // a crop leaves cells, and tokens written anew count as stored
	staleAfterReset     // a reset does
	oneMask             // one mask for all queries of a chunk
	wideWindow          // a window of W+1
	neverEvicts         // the window is never applied
	valuesStay          // a reorder moves the keys alone
	dropMisaligns       // a drop of entries leaves the lengths in their places
	oneRollback         // the first entry's length cuts all
	layersDisagree      // a crop is granted that layers with a window cannot do
	windowsStay         // a reorder leaves layers with a window out
)

// hook is where a fault is planted in a cache.
type hook struct{ bug bug }

func (h *hook) plant(b bug) { h.bug = b }

// What the faults do that takes more than a line stands here, out of the way of who
// reads the caches.

// padBatch writes rows of zeros for the entries that fill the batch up to a power of
// two. They have no page of their own, and page 0 of the pool is somebody's.
func (c *Pages) padBatch(chunk *impls.Tensor) {
	if b := chunk.Batch; b&(b-1) == 0 || chunk.Rows == 0 {
		return
	}
	zeros := make([]byte, chunk.Heads*chunk.RowBytes())
	c.pool[0].rows[0] = row{zeros, zeros}
}

// leaveCells is the cells that a reset should have emptied, of the entries that there
// are afterwards.
func leaveCells(old []cell, batch int) []cell {
	for i, x := range old {
		old[i].entries = slices.DeleteFunc(slices.Clone(x.entries), func(b int) bool { return b >= batch })
	}
	return old
}

// wrongMask is what a query attends to that should attend to lo to hi, in a chunk of
// length tokens after n.
func (c *Cells) wrongMask(lo, hi, n, length int) (first, last int) {
	switch c.bug {
	case oneMask: // the first query's oldest token, the last query's newest
		return oldest(n, c.shape.Window), n + length - 1
	case wideWindow:
		return oldest(hi, c.shape.Window+1), hi
	}
	return lo, hi
}

// leaveValues leaves the values where they were before Select, as far as there was
// such a row.
func (c *Beams) leaveValues(old beams) {
	for b := range min(len(c.now), len(old)) {
		list := c.now[b].held
		for i := range min(len(list), len(old[b].held)) {
			list[i].row[1] = old[b].held[i].row[1]
		}
	}
}

// misalign leaves the lengths where they were before Select dropped entries: the
// tokens move to other positions.
func (c *Beams) misalign(old beams) {
	if len(c.now) >= len(old) {
		return
	}
	for b := range c.now {
		x := &c.now[b]
		by := old[b].n - x.n
		x.n = old[b].n
		var list []held
		for _, h := range x.held {
			if h.pos += by; h.pos >= 0 {
				list = append(list, h)
			}
		}
		x.held = list
	}
}
