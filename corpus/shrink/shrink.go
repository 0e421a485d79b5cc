package shrink

import (
	"context"
	"math"
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// maxRuns bounds the runs of one shrink before its last stage. A pass over a
// case of 48 operations tries a few hundred candidates and each pass that
// helps drops at least one unit of size, so that this is far more than cases
// from Decode need; it is there for cases of any size.
const maxRuns = 20_000

// Stats says what a shrink did.
type Stats struct {
	Runs int // times that the predicate was asked
	// Minimal: every smaller case within Scope was tried and does not fail.
	// Otherwise the case is 1-minimal: no single step of the shrinker makes
	// it smaller; or the bound was reached.
	Minimal bool
	Bounded bool // the bound on runs, or the context, ended it
}

// Case makes a failing case small: the smallest in the sense of corpus.Compare
// that its steps reach and for which fails stays true, or a smaller one of Scope;
// if it lies in Scope, it is the smallest of all. fails must answer for the same
// failure only, and always the same for the same case: it is asked once for each.
// It is asked at most maxRuns times by the steps, and then once for each case of
// Scope that is smaller.
func Case(ctx context.Context, c *corpus.Case, fails func(*corpus.Case) bool) (*corpus.Case, Stats) {
	s := newShrinker(c, fails)
	s.tried = map[string]bool{}
	s.greedy(ctx)
	if !s.stats.Bounded && s.best.Engine == nil {
		s.enumerate(ctx)
	}
	return s.best, s.stats
}

// Steps is Case without its last stage. sure says that fails always answers the
// same for the same case; otherwise a candidate that the steps come to once more is
// asked for once more.
func Steps(ctx context.Context, c *corpus.Case, sure bool, fails func(*corpus.Case) bool) (*corpus.Case, Stats) {
	s := newShrinker(c, fails)
	if sure {
		s.tried = map[string]bool{}
	}
	s.greedy(ctx)
	return s.best, s.stats
}

func newShrinker(c *corpus.Case, fails func(*corpus.Case) bool) *shrinker {
	s := &shrinker{best: c.Clone(), fails: fails}
	s.best.Expect = nil
	return s
}

type shrinker struct {
	best  *corpus.Case
	fails func(*corpus.Case) bool
	// tried has the texts of the candidates that did not fail; nil remembers
	// none. A third to a half of what the steps come to they have come to before,
	// since every pass begins anew from the smallest.
	tried map[string]bool
	stats Stats
}

// try keeps a candidate that is smaller and still fails.
func (s *shrinker) try(ctx context.Context, c *corpus.Case) bool {
	if s.stats.Runs >= maxRuns || ctx.Err() != nil {
		s.stats.Bounded = true
		return false
	}
	if corpus.Compare(c, s.best) >= 0 || c.Check(corpus.DefaultLimit) != nil {
		return false
	}
	key := ""
	if s.tried != nil {
		if key = string(c.Text()); s.tried[key] {
			return false
		}
	}
	s.stats.Runs++
	if !s.fails(c) {
		if ctx.Err() != nil { // then that says nothing
			s.stats.Bounded = true
		} else if s.tried != nil {
			s.tried[key] = true
		}
		return false
	}
	s.best = c
	return true
}

// tryAny tries a candidate of another shape, then with as many blocks as
// before, with two, and with a block a cell, and under the schedules that a race most likely shows
// in: a smaller kernel has other blocks, and a schedule names them.
func (s *shrinker) tryAny(ctx context.Context, c *corpus.Case) bool {
	if s.try(ctx, c) {
		return true
	}
	if corpus.Compare(c, s.best) >= 0 && c.Shape == s.best.Shape && c.Rows() == s.best.Rows() {
		return false
	}
	for _, n := range [...]int{s.best.Blocks(), 2, math.MaxInt32} {
		d := withBlocks(c, n)
		for _, x := range [...]inplace.Schedule{c.Schedule, {}, {Kind: inplace.List, Blocks: []int{1}}, {Kind: inplace.Descending}} {
			d.Schedule = x
			if s.try(ctx, d.Clone()) {
				return true
			}
		}
	}
	return false
}

// greedy repeats the passes until none of them helps.
func (s *shrinker) greedy(ctx context.Context) {
	if s.best.Engine != nil {
		s.greedyEngine(ctx)
		return
	}
	for {
		before := s.best
		s.dropOps(ctx)
		s.mergeOps(ctx)
		s.dropStmts(ctx)
		s.inlineStmts(ctx)
		s.simplifyStmts(ctx)
		s.shrinkAppends(ctx)
		s.shrinkRows(ctx)
		s.shrinkShape(ctx)
		s.simplifyOps(ctx)
		s.shrinkBlocks(ctx)
		s.shrinkSchedule(ctx)
		if s.best == before {
			// Last: then it must be the very same write that fails in a buffer, and no
			// other statement whose fault is another.
			s.bufferStmts(ctx)
		}
		if s.best == before || s.stats.Bounded {
			return
		}
	}
}

// dropOps removes runs of operations, long ones first.
func (s *shrinker) dropOps(ctx context.Context) {
	for n := len(s.best.Ops); n >= 1; n /= 2 {
		for at := 0; at+n <= len(s.best.Ops); {
			c := s.best.Clone()
			c.Ops = slices.Delete(c.Ops, at, at+n)
			if !s.tryLists(ctx, c) {
				at++
			}
		}
	}
}

// tryLists tries a candidate, then with the lists of its operations made those of the
// batch that there is: without a select, or with another, it is not what it was.
func (s *shrinker) tryLists(ctx context.Context, c *corpus.Case) bool {
	if s.tryAny(ctx, c) {
		return true
	}
	fitted := c.Clone()
	return fitted.FitLists() && s.tryAny(ctx, fitted)
}

// mergeOps makes one operation of two neighbours of a kind.
func (s *shrinker) mergeOps(ctx context.Context) {
	for i := 0; i+1 < len(s.best.Ops); i++ {
		a, b := &s.best.Ops[i], &s.best.Ops[i+1]
		if a.Kind != b.Kind {
			continue
		}
		if merged, ok := a.Kind.Operation().Merge(a, b); ok {
			c := s.best.Clone()
			c.Ops[i] = merged
			c.Ops = slices.Delete(c.Ops, i+1, i+2)
			if s.tryAny(ctx, c) {
				i--
			}
		}
	}
}

// shrinkAppends takes tokens from appends.
func (s *shrinker) shrinkAppends(ctx context.Context) {
	for i := range s.best.Ops {
		for _, n := range corpus.Less(0, s.best.Ops[i].Tokens()) {
			c := s.best.Clone()
			c.Ops[i].N = n
			c.Ops[i].Each, c.Ops[i].Pad = nil, nil
			if s.tryAny(ctx, c) {
				break
			}
		}
	}
}

// shrinkShape makes the window smaller, alone and together with the appends
// that fill it; then lanes, dim, elements.
func (s *shrinker) shrinkShape(ctx context.Context) {
	if s.best.Target.Update != "program" {
		for _, w := range corpus.Less(1, s.best.Shape.Window) {
			c := s.best.Clone()
			c.Shape.Window = w
			if s.tryAny(ctx, c) || s.withWindow(ctx, w) {
				break
			}
		}
	} else if s.best.Shape.Window > 1 {
		c := s.best.Clone()
		c.Shape.Window = 1
		s.try(ctx, c)
	}
	shape := func(get func(*impls.Shape) *int) {
		for _, n := range corpus.Less(1, *get(&s.best.Shape)) {
			c := s.best.Clone()
			*get(&c.Shape) = n
			for i := range c.Ops {
				o := &c.Ops[i]
				*o = o.Kind.Operation().Fit(o, s.best.Shape, c.Shape)
			}
			if s.tryAny(ctx, c) {
				break
			}
		}
	}
	shape(func(x *impls.Shape) *int { return &x.Batch })
	shape(func(x *impls.Shape) *int { return &x.Heads })
	shape(func(x *impls.Shape) *int { return &x.Dim })
	for _, d := range [...]impls.DType{impls.U8, impls.F8E4M3, impls.BF16, impls.F16} {
		c := s.best.Clone()
		c.Shape.DType = d
		if s.tryAny(ctx, c) {
			break
		}
	}
	if s.best.Shape.Layout != impls.HeadsFirst {
		c := s.best.Clone()
		c.Shape.Layout = impls.HeadsFirst
		s.tryAny(ctx, c)
	}
}

// withWindow takes the rows by which the window shrinks from one append.
func (s *shrinker) withWindow(ctx context.Context, w int) bool {
	by := s.best.Shape.Window - w
	for i := range s.best.Ops {
		for _, d := range [...]int{by, 2 * by} {
			if o := &s.best.Ops[i]; o.Tokens() < d || o.Each != nil {
				continue
			}
			c := s.best.Clone()
			c.Shape.Window = w
			c.Ops[i].N -= d
			c.Ops[i].Pad = nil
			if s.tryAny(ctx, c) {
				return true
			}
		}
	}
	return false
}

// simplifyOps makes each operation simpler in ways of its own: it drops padding
// and other shapes, and lowers the numbers of crops and snapshots.
func (s *shrinker) simplifyOps(ctx context.Context) {
	for i := range s.best.Ops {
		x := s.best.Ops[i].Kind.Operation()
		x.Simpler(s.best.Ops, i, func(ops []corpus.Op) bool {
			c := s.best.Clone()
			c.Ops = ops
			return !s.tryLists(ctx, c)
		})
	}
}

// shrinkBlocks tries fewer blocks, then the smallest block that makes as many.
func (s *shrinker) shrinkBlocks(ctx context.Context) {
	for _, n := range corpus.Less(1, s.best.Blocks()) {
		if s.tryAny(ctx, withBlocks(s.best, n)) {
			break
		}
	}
	s.try(ctx, withBlocks(s.best, s.best.Blocks()))
}

// withBlocks is the case with the smallest block that makes n blocks of its
// whole window.
func withBlocks(c *corpus.Case, n int) *corpus.Case {
	d := c.Clone()
	d.Block = 1
	cells := d.Blocks()
	d.Block = (cells-1)/n + 1
	return d
}

// shrinkSchedule looks for the first schedule, in lexicographic order, among
// ascending, one block first, and lists with a block less.
func (s *shrinker) shrinkSchedule(ctx context.Context) {
	if len(s.best.Orders) > 0 {
		for i := range s.best.Orders {
			c := s.best.Clone()
			c.Orders = slices.Delete(c.Orders, i, i+1)
			if s.tryAny(ctx, c) {
				break
			}
		}
	}
	set := func(x inplace.Schedule) bool {
		c := s.best.Clone()
		c.Schedule = x
		return s.try(ctx, c)
	}
	if set(inplace.Schedule{}) {
		return
	}
	// A hazard's witness is one block that runs first; among many blocks the
	// first ones are as good as any, since every window has the same hazards
	// all along.
	for b := range min(s.best.Blocks()+moreBlocks(s.best), 64) {
		if set(inplace.Schedule{Kind: inplace.List, Blocks: []int{b}}) {
			return
		}
	}
	if s.best.Schedule.Kind != inplace.List {
		n := min(s.best.Blocks()+moreBlocks(s.best), 64)
		order := s.best.Schedule.Order(n)
		list := make([]int, len(order))
		for i, b := range order {
			list[i] = int(b)
		}
		if len(list) == 0 || !set(inplace.Schedule{Kind: inplace.List, Blocks: list}) {
			return
		}
	}
	for i := 0; i < len(s.best.Schedule.Blocks) && len(s.best.Schedule.Blocks) > 1; {
		if !set(inplace.Schedule{Kind: inplace.List, Blocks: slices.Delete(slices.Clone(s.best.Schedule.Blocks), i, i+1)}) {
			i++
		}
	}
}
