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

// base is what a cache was made for, and the fault that is planted in it.
type base struct {
	shape impls.Shape
	bug   bug
}

func (c *base) init(s impls.Shape) { c.shape = s }

func (c *base) plant(b bug) { c.bug = b }

// What the faults do that takes more than a line stands here, out of the way of who
// reads the caches.

// padBatch writes rows of zeros for the entries that fill the batch up to a power of
// two. They have no page of their own, and page 0 of the pool is somebody's.
func padBatch(batch any, chunk *impls.Tensor) {
	if b := chunk.Batch; b&(b-1) == 0 || chunk.Rows == 0 {
		return
	}
	zeros := make([]byte, chunk.Heads*chunk.RowBytes())
	batch.([]*table)[0].pages.items[0][0] = row{zeros, zeros}
}

// leaveCells leaves the entries the cells that a reset should have emptied.
func leaveCells(now, old any) {
	for b, x := range old.([]*sequence) {
		if now := now.([]*sequence); b < len(now) {
			now[b].list = x.list.clone()
		}
	}
}

// wrongMask is the first and the last token that the query at position p attends to,
// in a chunk of length tokens after n.
func wrongMask(planted bug, window, n, length, p int) (lo, hi int) {
	switch planted {
	case oneMask: // the first query's oldest token, the last query's newest
		return oldest(n, window), n + length - 1
	case wideWindow:
		window++
	}
	return oldest(p, window), p
}

// wrongSelect spoils what Select made of the old entries.
func wrongSelect(planted bug, now, old any) {
	switch planted {
	case valuesStay:
		leaveValues(now.([]*beam), old.([]*beam))
	case dropMisaligns:
		misalign(now.([]*beam), old.([]*beam))
	case windowsStay:
		now, old := now.([]*stack), old.([]*stack)
		for b := range min(len(now), len(old)) {
			for l := 0; l < len(now[b].layers); l += 2 { // those with a window
				now[b].layers[l] = old[b].layers[l].clone()
			}
		}
	}
}

// leaveValues leaves the values where they were, as far as there was such a row.
func leaveValues(now, old []*beam) {
	for b := range min(len(now), len(old)) {
		for i := range min(len(now[b].list), len(old[b].list)) {
			now[b].list[i].row[1] = old[b].list[i].row[1]
		}
	}
}

// misalign leaves the lengths where they were when entries are dropped: the tokens
// move to other positions.
func misalign(now, old []*beam) {
	if len(now) >= len(old) {
		return
	}
	for b, x := range now {
		by := old[b].n - x.n
		x.n += by
		for i := range x.list {
			x.list[i].pos += by
		}
		x.list = slices.DeleteFunc(x.list, func(h held) bool { return h.pos < 0 })
	}
}
