package judge

import (
	"bytes"
	"fmt"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// checkVisible judges returned rows by what the queries of the chunk see: the
// query at position p sees tokens max(0, p-W+1) to p, each once, and the sinks.
func (j *Judge) checkVisible(x *impls.Tensor, t oracle.Tensor, n, q int) *corpus.Divergence {
	total := n + q
	first, sinks := total, 0 // nothing, if there is no query
	if q > 0 {
		first = j.history.Visible(n)
		sinks = min(j.cache.Sinks(), total)
	}
	if lists := j.cache.Positions(); lists != nil {
		return j.checkPositions(x, t, lists, first, total, sinks)
	}
	if x.Rows >= total {
		return j.checkRows(x, t, "returned", 0, 0, total, true)
	}
	if oldest := total - x.Rows; oldest > first || sinks > 0 && oldest > 0 {
		return j.Fault(corpus.FaultShape, t.String(), fmt.Sprintf("returned the newest %d rows after %d tokens; the query at position %d sees tokens from %d on%s", x.Rows, total, n, first, sinksText(sinks)))
	}
	return j.checkRows(x, t, "returned", 0, total-x.Rows, total, false)
}

func sinksText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(" and the first %d", n)
}

// checkPositions judges rows in an order of the cache's own: each holds the
// token that it claims, and every token that a query sees is there once. There
// is a list for the whole batch, or one for each entry.
func (j *Judge) checkPositions(x *impls.Tensor, t oracle.Tensor, lists [][]int, first, total, sinks int) *corpus.Divergence {
	if len(lists) != 1 && len(lists) != x.Batch {
		return j.Fault(corpus.FaultShape, t.String(), fmt.Sprintf("%d lists of positions for a batch of %d; want 1, one for each entry, or nil", len(lists), x.Batch))
	}
	for b, positions := range lists {
		if len(positions) != x.Rows {
			return j.Fault(corpus.FaultShape, t.String(), fmt.Sprintf("%d positions for %d returned rows", len(positions), x.Rows))
		}
		lo, hi := 0, x.Lanes()
		if len(lists) > 1 {
			lo, hi = b*x.Heads, (b+1)*x.Heads
		}
		seen := make([]bool, total)
		for row, p := range positions {
			switch {
			case p < 0:
				continue
			case p >= total:
				return j.Fault(corpus.FaultShape, t.String(), fmt.Sprintf("row %d claims position %d of %d tokens", row, p, total))
			case seen[p]:
				return j.Fault(corpus.FaultShape, t.String(), fmt.Sprintf("position %d is claimed twice", p))
			}
			seen[p] = true
			for lane := lo; lane < hi; lane++ {
				if want := j.history.Rows(t, lane, p, p+1); !bytes.Equal(x.Row(lane, row), want) {
					return j.claimFault(x, t, lane, row, want)
				}
			}
		}
		for p := range total {
			if (p >= first || p < sinks) && !seen[p] {
				return j.Fault(corpus.FaultShape, t.String(), fmt.Sprintf("no returned row holds position %d, which a query sees", p))
			}
		}
	}
	return nil
}

// claimFault says what a row holds that is not the token it claims.
func (j *Judge) claimFault(x *impls.Tensor, t oracle.Tensor, lane, row int, want []byte) *corpus.Divergence {
	d := j.Fault(corpus.FaultRows, t.String(), "")
	d.Where, d.Lane, d.Row = "returned", lane, row
	got, size := x.Row(lane, row), x.DType.Size()
	for e := x.Dim - 1; e >= 0; e-- {
		if !bytes.Equal(got[e*size:(e+1)*size], want[e*size:(e+1)*size]) {
			d.Elem = e
			d.Wrong++
		}
	}
	d.Got, d.Want = j.history.Describe(got, size, t, lane), j.history.Describe(want, size, t, lane)
	return d
}
