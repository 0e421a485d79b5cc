package hunt

import (
	"context"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/shrink"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// The bounds of an exhaustive hunt. A kernel without conflicts gives one result in
// every order of its blocks, whatever came before: so the sequences are run in one
// block, and the orders are tried of the programs that a step may run, which depend on
// how many tokens there are and come alone, all of them in sequences of two appends.
var (
	// sequenceBounds is every sequence of operations of one entry.
	sequenceBounds = shrink.Bounds{Ops: 4, Tokens: 7, Window: 4, Heads: 2, Dim: 2}
	// entryBounds is those of two entries that go their own ways, of caches in Go that
	// can.
	entryBounds = shrink.Bounds{Ops: 3, Tokens: 6, Window: 3, Heads: 1, Dim: 1, Batch: 2}
	// orderBounds is the two appends, in each number of blocks, and each block first:
	// with as many tokens and rows as the sequences have, so that no step of those has
	// another kernel.
	orderBounds = shrink.Bounds{Ops: 2, Tokens: 7, Window: 4, Heads: 2, Dim: 2}
)

// ExhaustiveBounds are those of every sequence of one entry, of those of two, and
// of the appends whose blocks run in each order.
func ExhaustiveBounds() (sequences, entries, orders shrink.Bounds) {
	return sequenceBounds, entryBounds, orderBounds
}

// Exhausted is what an exhaustive hunt in one target came to. Small is the first case
// that diverged, nil where none did.
type Exhausted struct {
	Target     window.Target
	Cases      int
	Small      *corpus.Case
	Divergence *corpus.Divergence
	Elapsed    time.Duration
	// Complete: all cases within the bounds were run, or one of them failed.
	Complete bool
}

// Exhaustive runs every case of a target within the bounds, up to the first that
// diverges. A target of random programs has none. It ends early, incomplete and
// without an error, when ctx does.
func Exhaustive(ctx context.Context, b *run.Backends, t window.Target) (x Exhausted, err error) {
	x.Target = t
	backend, err := b.Of(t)
	if err != nil {
		return x, err
	}
	start := time.Now()
	defer func() { x.Elapsed = time.Since(start) }()
	fitter, _ := backend.(run.Fitter)
	done := ctx.Done()
	try := func(c *corpus.Case) bool {
		if fitter != nil {
			if c.Block = 1; !fitter.Takes(c) {
				return true
			}
		}
		select {
		case <-done:
			return false
		default:
		}
		x.Cases++
		found, runErr := backend.Run(ctx, []*corpus.Case{c})
		if err = runErr; err != nil {
			return false
		}
		if found[0] != nil {
			x.Small, x.Divergence = c.Clone(), found[0]
			x.Small.Expect = found[0].Expect()
		}
		return found[0] == nil
	}
	bounds := []shrink.Bounds{sequenceBounds, entryBounds}
	if t.Device == window.Go {
		info, _ := window.LookupCache(t.Update)
		for i := range bounds {
			bounds[i].DimsOf = info.DimMultiple
		}
	} else {
		bounds = bounds[:1]
	}
	for _, b := range bounds {
		if x.Small == nil && err == nil && ctx.Err() == nil && t.Update != "program" {
			shrink.Enumerate(t, b, try)
		}
	}
	if x.Small == nil && err == nil && t.Device != window.Go && t.Update != "program" {
		shrink.EnumerateOrders(t, orderBounds, try)
	}
	if ctx.Err() != nil {
		return x, nil
	}
	x.Complete = err == nil
	return x, err
}
