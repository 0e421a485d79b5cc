package props

import (
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
// query at position p sees tokens max(0, p-W+1) to p, each once.
func (r *Runner) checkVisible(x *impls.Tensor, t oracle.Tensor, n, q int) *corpus.Divergence {
	total := n + q
	first := total // nothing, if there is no query
	if q > 0 {
		first = r.history.Visible(n)
	}
	if p, ok := r.cache.(impls.Positioner); ok {
		if positions := p.Positions(); positions != nil {
			return r.checkPositions(x, t, positions, first, total)
		}
	}
	if x.Rows >= total {
		return r.checkRows(x, t, "returned", 0, 0, total, true)
	}
	if total-x.Rows > first {
		return r.fault(corpus.FaultShape, t.String(), fmt.Sprintf("returned the newest %d rows after %d tokens; the query at position %d sees tokens from %d on", x.Rows, total, n, first))
	}
	return r.checkRows(x, t, "returned", 0, total-x.Rows, total, false)
}

// checkPositions judges rows in an order of the cache's own: each holds the
// token that it claims, and every token that a query sees is there once.
func (r *Runner) checkPositions(x *impls.Tensor, t oracle.Tensor, positions []int, first, total int) *corpus.Divergence {
	if len(positions) != x.Rows {
		return r.fault(corpus.FaultShape, t.String(), fmt.Sprintf("%d positions for %d returned rows", len(positions), x.Rows))
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
		one := x.Slice(row, row+1)
		if d := r.checkRows(&one, t, "returned", 0, p, p+1, false); d != nil {
			d.Row = row
			return d
		}
	}
	for p := first; p < total; p++ {
		if !seen[p] {
			return r.fault(corpus.FaultShape, t.String(), fmt.Sprintf("no returned row holds position %d, which a query sees", p))
		}
	}
	return nil
}
