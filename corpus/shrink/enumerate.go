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

// Bounds are the largest extents of an enumeration. Batch is the very number of
// entries, 0 for one; a dim is one of the first multiples of DimsOf, 0 for any.
type Bounds struct{ Ops, Tokens, Window, Heads, Dim, Batch, DimsOf int }

// InScope reports whether the enumeration covers the case.
func InScope(c *corpus.Case) bool {
	s := c.Shape
	if c.Target.Update == "program" || len(c.Ops) > scope.Ops || c.Tokens() > scope.Tokens || s.Window > scope.Window ||
		s.Batch > 1 || s.Heads > scope.Heads || s.Dim > scope.Dim || s.DType != impls.U8 ||
		s.Layout != impls.HeadsFirst || len(c.Orders) > 0 {
		return false
	}
	if c.Target.Lowering == inplace.OneBlock {
		// It fails by the size of a block; the enumeration has one for each number of
		// blocks.
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
	e := &enumeration{scope, forms, enumerateSchedules, yield}
	e.all(t, ops, tokens)
}

// Enumerate calls yield with each sequence of operations within bounds, on each shape
// within them, in one block, until it returns false. With a batch of two, operations
// have other numbers for each entry too, and entries are selected. The case is reused
// between calls.
func Enumerate(t window.Target, b Bounds, yield func(*corpus.Case) bool) {
	oneBlock := func(c *corpus.Case, yield func(*corpus.Case) bool) bool {
		c.Block = c.Shape.Lanes() * c.Shape.Window * c.Shape.Dim
		return yield(c)
	}
	(&enumeration{b, formsWithin(b), oneBlock, yield}).all(t, b.Ops, b.Tokens)
}

// EnumerateOrders calls yield with each sequence of appends alone within bounds, in each
// number of blocks, ascending and with each block first, until it returns false. The case
// is reused between calls.
func EnumerateOrders(t window.Target, b Bounds, yield func(*corpus.Case) bool) {
	appends := slices.DeleteFunc(formsWithin(b), func(f form) bool { return f.op.Kind != corpus.Append || f.op.Each != nil })
	(&enumeration{b, appends, enumerateSchedules, yield}).all(t, b.Ops, b.Tokens)
}

// enumeration is one under way. schedules calls yield with each order of the blocks of
// a case that it tries.
type enumeration struct {
	bounds    Bounds
	forms     []form
	schedules func(c *corpus.Case, yield func(*corpus.Case) bool) bool
	yield     func(*corpus.Case) bool
}

func (e *enumeration) all(t window.Target, ops, tokens int) {
	c := &corpus.Case{Target: t}
	if t.IsProgram() {
		e.shapes(c, 1)
		return
	}
	for n := 0; n <= ops; n++ {
		most := e.bounds.Tokens
		if n == ops {
			most = min(most, tokens)
		}
		for total := 0; total <= most; total++ {
			c.Ops = make([]corpus.Op, n)
			if !e.ops(c, 0, total, 1) {
				return
			}
		}
	}
}

// ops fills operations from i on so that they append exactly left tokens more; those
// before need a window of at least so many rows.
func (e *enumeration) ops(c *corpus.Case, i, left, window int) bool {
	if i == len(c.Ops) {
		return left > 0 || e.shapes(c, window)
	}
	for k := range e.forms {
		f := &e.forms[k]
		if f.tokens > left {
			continue
		}
		c.Ops[i] = f.op
		if !e.ops(c, i+1, left-f.tokens, max(window, f.window)) {
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

var forms = formsWithin(scope)

// formsWithin has those of kinds with few forms first.
func formsWithin(b Bounds) (all []form) {
	kinds := corpus.Operations()
	count := func(x corpus.Operation) int { return len(x.Forms(0, b.Window)) }
	slices.SortStableFunc(kinds, func(a, b corpus.Operation) int { return count(a) - count(b) })
	for _, x := range kinds {
		for tokens := range b.Tokens + 1 {
			for _, o := range x.Forms(tokens, b.Window) {
				w := 1
				for !o.InForms(w) {
					w++
				}
				all = append(all, form{o, tokens, w})
			}
		}
	}
	if b.Batch < 2 {
		return all
	}
	for _, list := range [...][]int{{0}, {1}, {0, 0}, {0, 1}, {1, 0}, {1, 1}} {
		all = append(all, form{corpus.Op{Kind: corpus.Select, Each: list}, 0, 1})
	}
	for i := range b.Tokens + 1 {
		for k := range b.Tokens + 1 {
			if i != k {
				all = append(all, form{corpus.Op{Kind: corpus.Append, N: max(i, k), Each: []int{i, k}}, max(i, k), 1})
			}
		}
	}
	for i := range b.Window + 1 {
		for k := range b.Window + 1 {
			if i != k {
				all = append(all, form{corpus.Op{Kind: corpus.Crop, Each: []int{i, k}}, 0, max(i, k)})
			}
		}
	}
	return all
}

// shapes tries windows of at least so many rows.
func (e *enumeration) shapes(c *corpus.Case, window int) bool {
	b := e.bounds
	for w := window; w <= b.Window; w++ {
		for heads := 1; heads <= b.Heads; heads++ {
			for dim := 1; dim <= b.Dim; dim++ {
				c.Shape = impls.Shape{Batch: max(1, b.Batch), Heads: heads, Window: w, Dim: dim * max(1, b.DimsOf), DType: impls.U8}
				if !e.schedules(c, e.yield) {
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
		for b := range n + moreBlocks(c) {
			c.Schedule = inplace.Schedule{Kind: inplace.List, Blocks: []int{b}}
			if !yield(c) {
				return false
			}
		}
	}
	return true
}

// moreBlocks is how many blocks a kernel of the case may have beside those of its
// window: of two buffers that one kernel writes, the second starts a block of its own.
func moreBlocks(c *corpus.Case) int {
	if _, ok := c.TheProgram(); ok {
		return 1
	}
	return 0
}
