package props

import (
	"bytes"
	"fmt"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// contract is what update promises.
type contract uint8

const (
	// single is the contract of pytorch#159855: several tokens never cross
	// the border of a window. Judged by exact rows.
	single contract = iota
	// chunks takes any chunk at any time. Judged by what each query sees.
	chunks
)

// checkVisible judges returned rows by what the queries of the chunk see: the
// query at position p sees tokens max(0, p-W+1) to p, each once, and the sinks.
func (r *Runner) checkVisible(x *impls.Tensor, t oracle.Tensor, n, q int) *corpus.Divergence {
	total := n + q
	first, sinks := total, 0 // nothing, if there is no query
	if q > 0 {
		first = r.history.Visible(n)
		sinks = min(r.cache.sinks(), total)
	}
	if lists := r.cache.positions(); lists != nil {
		return r.checkPositions(x, t, lists, first, total, sinks)
	}
	if x.Rows >= total {
		return r.checkRows(x, t, "returned", 0, 0, total, true)
	}
	if oldest := total - x.Rows; oldest > first || sinks > 0 && oldest > 0 {
		return r.fault(corpus.FaultShape, t.String(), fmt.Sprintf("returned the newest %d rows after %d tokens; the query at position %d sees tokens from %d on%s", x.Rows, total, n, first, sinksText(sinks)))
	}
	return r.checkRows(x, t, "returned", 0, total-x.Rows, total, false)
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
func (r *Runner) checkPositions(x *impls.Tensor, t oracle.Tensor, lists [][]int, first, total, sinks int) *corpus.Divergence {
	for b, positions := range lists {
		if len(positions) != x.Rows {
			return r.fault(corpus.FaultShape, t.String(), fmt.Sprintf("%d positions for %d returned rows", len(positions), x.Rows))
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
				return r.fault(corpus.FaultShape, t.String(), fmt.Sprintf("row %d claims position %d of %d tokens", row, p, total))
			case seen[p]:
				return r.fault(corpus.FaultShape, t.String(), fmt.Sprintf("position %d is claimed twice", p))
			}
			seen[p] = true
			for lane := lo; lane < hi; lane++ {
				if want := r.history.Rows(t, lane, p, p+1); !bytes.Equal(x.Row(lane, row), want) {
					return r.claimFault(x, t, lane, row, want)
				}
			}
		}
		for p := range total {
			if (p >= first || p < sinks) && !seen[p] {
				return r.fault(corpus.FaultShape, t.String(), fmt.Sprintf("no returned row holds position %d, which a query sees", p))
			}
		}
	}
	return nil
}

// claimFault says what a row holds that is not the token it claims.
func (r *Runner) claimFault(x *impls.Tensor, t oracle.Tensor, lane, row int, want []byte) *corpus.Divergence {
	d := r.fault(corpus.FaultRows, t.String(), "")
	d.Where, d.Lane, d.Row = "returned", lane, row
	got, size := x.Row(lane, row), x.DType.Size()
	for e := x.Dim - 1; e >= 0; e-- {
		if !bytes.Equal(got[e*size:(e+1)*size], want[e*size:(e+1)*size]) {
			d.Elem = e
			d.Wrong++
		}
	}
	d.Got, d.Want = r.history.Describe(got, size, t, lane), r.history.Describe(want, size, t, lane)
	return d
}
