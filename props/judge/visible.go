package judge

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// checkReturned judges the rows that update returned for an append, whose tokens
// are in the history.
func (j *Judge) checkReturned(returned [2]*impls.Tensor, o *corpus.Op) *corpus.Divergence {
	s := j.now()
	j.lists, j.masks = j.cache.Positions(), j.cache.Visible()
	for i, x := range returned {
		t := oracle.Tensor(i)
		if x.Batch != s.Batch || x.Heads != s.Heads || x.Dim != s.Dim || x.DType != s.DType {
			return j.shapeFault(t, "returned %s", shapeOf(x))
		}
		var d *corpus.Divergence
		if j.contract == oracle.Single {
			d = j.checkSingle(x, t, o)
		} else {
			d = j.checkChunks(x, t, o)
		}
		if d != nil {
			return d
		}
	}
	return nil
}

func (j *Judge) shapeFault(t oracle.Tensor, format string, args ...any) *corpus.Divergence {
	return j.Fault(corpus.FaultShape, t.String(), fmt.Sprintf(format, args...)+j.layerNote())
}

// checkSingle judges what the narrow contract returns: the window, or a chunk that
// is longer; by its positions where the cache says them.
func (j *Judge) checkSingle(x *impls.Tensor, t oracle.Tensor, o *corpus.Op) *corpus.Divergence {
	window := j.c.Shape.Window
	long := o.N > window
	if lists := j.lists; lists != nil {
		d := j.checkPositions(x, t, lists, func(b int) span {
			n := j.history.Len(b)
			if o.Of(b) > window { // the chunk's own
				return span{n - o.Of(b), n, 0, true}
			}
			return span{max(0, n-window), n, 0, true}
		})
		if d != nil || long {
			return d
		}
		return j.checkMask(x, t, o)
	}
	switch {
	case long && x.Rows != o.N:
		return j.shapeFault(t, "returned %s, expected %d", corpus.Plural(x.Rows, "row"), o.N)
	case !long && x.Rows != window:
		return j.shapeFault(t, "returned %s, expected %d", corpus.Plural(x.Rows, "row"), window)
	case !long:
		if d := j.checkRows(x, t, "returned"); d != nil {
			return d
		}
		return j.checkMask(x, t, o)
	case o.Each == nil:
		return j.checkRows(x, t, "returned")
	}
	// The chunk itself: its last rows are an entry's tokens.
	for lane := range x.Lanes() {
		n, of := j.history.Len(lane/x.Heads), o.Of(lane/x.Heads)
		for i := range of {
			if d := j.checkRow(x, t, lane, o.N-of+i, n-of+i); d != nil {
				heads := x.Heads
				j.look(d, x, t, func(lane, row int) int {
					if b := lane / heads; row >= o.N-o.Of(b) {
						return j.history.Len(b) - o.N + row
					}
					return anything // padding
				})
				return d
			}
		}
	}
	return nil
}

// checkChunks judges returned rows by what the queries of the chunk see: the query
// at position p sees tokens max(0, p-W+1) to p, each once, and the sinks.
func (j *Judge) checkChunks(x *impls.Tensor, t oracle.Tensor, o *corpus.Op) *corpus.Divergence {
	if j.masks != nil {
		return j.checkMask(x, t, o)
	}
	if d := j.checkGrowth(x, t, o); d != nil {
		return d
	}
	if lists := j.lists; lists != nil {
		return j.checkPositions(x, t, lists, func(b int) span { return j.due(b, o) })
	}
	for b := range x.Batch {
		due := j.due(b, o)
		if oldest := due.hi - x.Rows; oldest > due.lo || oldest > 0 && due.sinks > 0 {
			return j.shapeFault(t, "returned the newest %s after %s; the query at position %d sees positions from %d on%s", corpus.Plural(x.Rows, "row"), corpus.Plural(due.hi, "token"), due.hi-o.Of(b), due.lo, sinksText(due.sinks))
		}
	}
	return j.checkRows(x, t, "returned")
}

// span is the positions that must be there: lo to hi-1, and the first sinks. All
// others may be there, unless only these must.
type span struct {
	lo, hi, sinks int
	only          bool
}

func (s *span) has(p int) bool { return p >= s.lo && p < s.hi || p < s.sinks }

// due is what the queries of an entry see, all together.
func (j *Judge) due(entry int, o *corpus.Op) span {
	n := j.history.Len(entry)
	s := span{lo: n, hi: n} // nothing, if there is no query
	if q := o.Of(entry); q > 0 {
		s.lo = j.history.Visible(n - q)
		s.sinks = min(j.cache.Sinks(), n)
	}
	return s
}

func sinksText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and the first %d", n)
}

// longAfter is the windows of tokens after which a cache has had the time to throw
// rows away.
const longAfter = 4

// checkGrowth judges how many rows are returned by a cache that does not say which
// of them are seen: the window is there to bound them.
func (j *Judge) checkGrowth(x *impls.Tensor, t oracle.Tensor, o *corpus.Op) *corpus.Divergence {
	w, most := j.history.Span(), 0
	for b := range x.Batch {
		most = max(most, j.history.Len(b))
	}
	if w == impls.MaxExtent || most <= longAfter*w {
		return nil
	}
	slack := w
	if j.limits.Slack != nil {
		slack = *j.limits.Slack
	}
	// A chunk of no tokens may return what a decode would.
	if allowed := w - 1 + max(1, o.N) + slack + j.cache.Sinks(); x.Rows > allowed {
		return j.Fault(corpus.FaultGrows, t.String(), fmt.Sprintf("returned %s for a chunk of %s after %s in a window of %d; want at most %d, a slack of %d among them",
			corpus.Plural(x.Rows, "row"), corpus.Plural(o.N, "token"), corpus.Plural(most, "token"), w, allowed, slack)+j.layerNote())
	}
	return nil
}

// checkPositions judges rows in an order of the cache's own: each holds the
// token that it claims, and every token that must be there is there once. There
// is a list for the whole batch, or one for each entry.
func (j *Judge) checkPositions(x *impls.Tensor, t oracle.Tensor, lists [][]int, of func(entry int) span) *corpus.Divergence {
	if d := j.checkLists(x, t, lists); d != nil {
		return d
	}
	for b := range x.Batch {
		must := of(b)
		rowOf := slices.Repeat([]int{-1}, must.hi)
		for row, p := range lists[min(b, len(lists)-1)] {
			switch {
			case p < 0:
				continue
			case p >= must.hi:
				return j.shapeFault(t, "row %d of entry %d claims position %d of %s", row, b, p, corpus.Plural(must.hi, "token"))
			case rowOf[p] >= 0:
				return j.shapeFault(t, "rows %d and %d of entry %d both claim position %d", rowOf[p], row, b, p)
			case must.only && !must.has(p):
				return j.shapeFault(t, "row %d of entry %d claims position %d, which has left the window of %d", row, b, p, j.c.Shape.Window)
			}
			rowOf[p] = row
			for head := range x.Heads {
				if d := j.checkRow(x, t, b*x.Heads+head, row, p); d != nil {
					j.look(d, x, t, j.claims(x))
					return d
				}
			}
		}
		for p := range must.hi {
			if must.has(p) && rowOf[p] < 0 {
				return j.shapeFault(t, "no returned row holds position %d of entry %d (%s), which a query sees", p, b, j.history.Name(t, b*x.Heads, p))
			}
		}
	}
	return nil
}

func (j *Judge) checkLists(x *impls.Tensor, t oracle.Tensor, lists [][]int) *corpus.Divergence {
	if len(lists) != 1 && len(lists) != x.Batch {
		return j.shapeFault(t, "%s of positions for a batch of %d; want 1, one for each entry, or nil", corpus.Plural(len(lists), "list"), x.Batch)
	}
	for _, positions := range lists {
		if len(positions) != x.Rows {
			return j.shapeFault(t, "%s for %s", corpus.Plural(len(positions), "position"), corpus.Plural(x.Rows, "returned row"))
		}
	}
	return nil
}

// checkRow judges one row of one lane, which should hold the token at a position.
func (j *Judge) checkRow(x *impls.Tensor, t oracle.Tensor, lane, row, position int) *corpus.Divergence {
	got, want := x.Row(lane, row), j.history.Rows(t, lane, position, position+1)
	if bytes.Equal(got, want) {
		return nil
	}
	d := j.Fault(corpus.FaultRows, t.String(), "")
	size := x.DType.Size()
	d.Where, d.Lane, d.Row = "returned"+j.layerText(), lane, row
	j.wrongCells(d, got, want, size, func() {
		d.Got, d.Want = j.describe(got, size, t, lane), j.history.Name(t, lane, position)
	})
	return d
}

// claims is the position that each row should have by what the cache says, for look:
// anything where it says none, and where no query attends to the row.
func (j *Judge) claims(x *impls.Tensor) func(lane, row int) int {
	heads, rows := x.Heads, x.Rows
	return func(lane, row int) int {
		b := lane / heads
		n := j.history.Len(b)
		p := n - min(n, rows) + row
		if j.lists != nil {
			p = j.lists[min(b, len(j.lists)-1)][row]
		}
		seen := j.masks == nil || slices.ContainsFunc(j.masks[min(b, len(j.masks)-1)], func(sees []bool) bool { return sees[row] })
		if p < 0 || p >= n || !seen {
			return anything
		}
		return p
	}
}

// checkMask judges which rows each query attends to, where the cache says so: to
// each token that it must see, once, and to nothing else. A row to which no query
// attends may claim and hold anything.
func (j *Judge) checkMask(x *impls.Tensor, t oracle.Tensor, o *corpus.Op) *corpus.Divergence {
	masks := j.masks
	if masks == nil {
		return nil
	}
	if len(masks) != 1 && len(masks) != x.Batch {
		return j.shapeFault(t, "%s for a batch of %d; want 1, one for each entry, or nil", corpus.Plural(len(masks), "mask"), x.Batch)
	}
	for _, queries := range masks {
		if len(queries) != o.N {
			return j.shapeFault(t, "a mask of %d queries for a chunk of %d tokens", len(queries), o.N)
		}
		for i := range queries {
			if len(queries[i]) != x.Rows {
				return j.shapeFault(t, "a mask of %d rows for query %d; %d rows are returned", len(queries[i]), i, x.Rows)
			}
		}
	}
	lists := j.lists
	if lists != nil {
		if d := j.checkLists(x, t, lists); d != nil {
			return d
		}
	}
	sinks := j.cache.Sinks()
	for b := range x.Batch {
		n, of := j.history.Len(b), o.Of(b)
		claim := func(row int) int {
			if lists != nil {
				return lists[min(b, len(lists)-1)][row]
			}
			if p := n - min(n, x.Rows) + row; p < n {
				return p
			}
			return -1
		}
		checked := make([]bool, x.Rows)
		at := make([]int, n)    // by position, the query that saw it last, and one more
		rowOf := make([]int, n) // by position, the row in which it did
		for i := o.N - of; i < o.N; i++ {
			p := n - o.N + i
			first := j.history.Visible(p)
			missing := p + 1 - first + min(sinks, first)
			for row, sees := range masks[min(b, len(masks)-1)][i] {
				if !sees {
					continue
				}
				c := claim(row)
				switch {
				case c < 0 || c >= n:
					return j.maskFault(x, t, b, p, row, "attends to row %d, which holds no token", row)
				case c > p:
					return j.maskFault(x, t, b, p, row, "attends to row %d, position %d, which comes after it", row, c)
				case c < first && c >= sinks:
					return j.maskFault(x, t, b, p, row, "attends to row %d, position %d, which is before its window: it sees positions from %d on%s", row, c, first, sinksText(min(sinks, first)))
				case at[c] == i+1:
					return j.maskFault(x, t, b, p, row, "attends to position %d twice, in rows %d and %d", c, rowOf[c], row)
				}
				at[c], rowOf[c] = i+1, row
				missing--
				if checked[row] {
					continue
				}
				checked[row] = true
				for head := range x.Heads {
					if d := j.checkRow(x, t, b*x.Heads+head, row, c); d != nil {
						j.look(d, x, t, j.claims(x))
						return d
					}
				}
			}
			if missing == 0 {
				continue
			}
			for c := range p + 1 {
				if (c >= first || c < sinks) && at[c] != i+1 {
					return j.maskFault(x, t, b, p, holder(claim, c, x.Rows), "does not attend to position %d (%s), which it must see", c, j.history.Name(t, b*x.Heads, c))
				}
			}
		}
	}
	return nil
}

// holder is the row of so many that claims a position, -1 where none does.
func holder(claim func(row int) int, position, rows int) int {
	for row := range rows {
		if claim(row) == position {
			return row
		}
	}
	return -1
}

// maskFault says what is wrong with the query at a position, in which row of the
// entry's lanes.
func (j *Judge) maskFault(x *impls.Tensor, t oracle.Tensor, entry, position, row int, format string, args ...any) *corpus.Divergence {
	d := j.Fault(corpus.FaultVisible, t.String(), fmt.Sprintf("the query of entry %d at position %d ", entry, position)+fmt.Sprintf(format, args...)+j.layerNote())
	d.Lane, d.Row = entry*x.Heads, row
	j.look(d, x, t, j.claims(x))
	return d
}
