package shrink

import (
	"context"
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// Scope is the size up to which a shrink ends with proof: it tries every
// smaller case of an update or built-in program that has at most so many
// operations, tokens, rows, heads (batch 1) and dim, of one-byte elements,
// heads first, with each number of blocks, ascending or with one block first
// (the witness of any hazard is such a schedule). Operations have the forms that
// corpus.Operation lists: crops go to 0 … Window, snapshots have number 0, every
// chunk has the cache's own shape.
//
// The bounds keep the enumeration near 10^5 cases for a failure of two
// operations, a second's work, and near 10^6 for one of three.
func Scope() Bounds { return scope }

var scope = Bounds{Ops: 3, Tokens: 4, Window: 3, Heads: 2, Dim: 2}

// Bounds are the extents of scope.
type Bounds struct{ Ops, Tokens, Window, Heads, Dim int }

// InScope reports whether the enumeration covers the case.
func InScope(c *corpus.Case) bool {
	s := c.Shape
	if c.Target.Update == "program" || len(c.Ops) > scope.Ops || c.Tokens() > scope.Tokens || s.Window > scope.Window ||
		s.Batch > 1 || s.Heads > scope.Heads || s.Dim > scope.Dim || s.DType != impls.U8 ||
		s.Layout != impls.HeadsFirst || len(c.Orders) > 0 {
		return false
	}
	for i := range c.Ops {
		if !c.Ops[i].InForms(s.Window) {
			return false
		}
	}
	return c.Schedule.Kind == inplace.Ascending || c.Schedule.Kind == inplace.List && len(c.Schedule.Blocks) == 1
}

// enumerate is the last stage: the first case of Scope that fails, if it comes
// before the best so far. The best may lie outside Scope; then a smaller one
// may be found, and without one nothing is proven.
func (s *shrinker) enumerate(ctx context.Context) {
	if s.best.Target.Update == "program" {
		return
	}
	ops, tokens := len(s.best.Ops), s.best.Tokens()
	if ops > scope.Ops {
		ops, tokens = scope.Ops, scope.Tokens
	}
	EnumerateScope(s.best.Target, ops, tokens, func(c *corpus.Case) bool {
		if ctx.Err() != nil {
			s.stats.Bounded = true
			return false
		}
		if corpus.Compare(c, s.best) >= 0 {
			return true
		}
		s.stats.Runs++
		if s.fails(c) {
			s.best = c.Clone()
		}
		return true
	})
	s.stats.Bounded = s.stats.Bounded || ctx.Err() != nil
	s.stats.Minimal = !s.stats.Bounded && InScope(s.best)
}

// EnumerateScope calls yield with each case of Scope for a target with at most
// that many operations, and with that many operations at most that many
// tokens, until it returns false. The case is reused between calls: clone it
// to keep it.
func EnumerateScope(t window.Target, ops, tokens int, yield func(*corpus.Case) bool) {
	c := &corpus.Case{Target: t}
	if t.IsProgram() {
		enumerateShapes(c, 1, yield)
		return
	}
	for n := 0; n <= ops; n++ {
		most := scope.Tokens
		if n == ops {
			most = min(most, tokens)
		}
		for total := 0; total <= most; total++ {
			c.Ops = make([]corpus.Op, n)
			if !enumerateOps(c, 0, total, 1, yield) {
				return
			}
		}
	}
}

// enumerateOps fills operations from i on so that they append exactly left
// tokens more; those before need a window of at least so many rows.
func enumerateOps(c *corpus.Case, i, left, window int, yield func(*corpus.Case) bool) bool {
	if i == len(c.Ops) {
		return left > 0 || enumerateShapes(c, window, yield)
	}
	for k := range forms {
		f := &forms[k]
		if f.tokens > left {
			continue
		}
		c.Ops[i] = f.op
		if !enumerateOps(c, i+1, left-f.tokens, max(window, f.window), yield) {
			return false
		}
	}
	return true
}

// form is an operation that the enumeration tries: it hands over so many tokens,
// in windows of at least so many rows.
type form struct {
	op             corpus.Op
	tokens, window int
}

// forms has those of kinds with few forms first.
var forms = func() (all []form) {
	kinds := corpus.Operations()
	count := func(x corpus.Operation) int { return len(x.Forms(0, scope.Window)) }
	slices.SortStableFunc(kinds, func(a, b corpus.Operation) int { return count(a) - count(b) })
	for _, x := range kinds {
		for tokens := range scope.Tokens + 1 {
			for _, o := range x.Forms(tokens, scope.Window) {
				w := 1
				for !o.InForms(w) {
					w++
				}
				all = append(all, form{o, tokens, w})
			}
		}
	}
	return all
}()

// enumerateShapes tries windows of at least so many rows.
func enumerateShapes(c *corpus.Case, window int, yield func(*corpus.Case) bool) bool {
	for w := window; w <= scope.Window; w++ {
		for heads := 1; heads <= scope.Heads; heads++ {
			for dim := 1; dim <= scope.Dim; dim++ {
				c.Shape = impls.Shape{Batch: 1, Heads: heads, Window: w, Dim: dim, DType: impls.U8}
				if !enumerateSchedules(c, yield) {
					return false
				}
			}
		}
	}
	return true
}

func enumerateSchedules(c *corpus.Case, yield func(*corpus.Case) bool) bool {
	cells := c.Shape.Heads * c.Shape.Window * c.Shape.Dim
	last := 0
	for block := cells; block >= 1; block-- {
		n := (cells + block - 1) / block
		if n == last {
			continue
		}
		last = n
		c.Block = (cells + n - 1) / n // the smallest that makes n blocks
		c.Schedule = inplace.Schedule{}
		if !yield(c) {
			return false
		}
		for b := range n {
			c.Schedule = inplace.Schedule{Kind: inplace.List, Blocks: []int{b}}
			if !yield(c) {
				return false
			}
		}
	}
	return true
}
