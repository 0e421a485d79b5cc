package shrink

import (
	"context"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// Scope is the size up to which a shrink ends with proof: it tries every
// smaller case of an update or built-in program that has at most so many
// operations, tokens, rows, heads (batch 1) and dim, of one-byte elements,
// heads first, with each number of blocks, ascending or with one block first
// (the witness of any hazard is such a schedule). Crops go to 0 … Window,
// snapshots have number 0, every chunk has the cache's own shape.
//
// The bounds keep the enumeration near 10^5 cases for a failure of two
// operations, a second's work, and near 10^6 for one of three.
func Scope() Bounds { return scope }

var scope = Bounds{Ops: 3, Tokens: 4, Window: 3, Heads: 2, Dim: 2}

// Bounds are the extents of Scope.
type Bounds struct{ Ops, Tokens, Window, Heads, Dim int }

// InScope reports whether the enumeration covers the case.
func InScope(c *corpus.Case) bool {
	s := c.Shape
	if c.Target.Update == "program" || len(c.Ops) > scope.Ops || c.Tokens() > scope.Tokens || s.Window > scope.Window ||
		s.Batch > 1 || s.Heads > scope.Heads || s.Dim > scope.Dim || s.DType != impls.U8 ||
		s.Layout != impls.HeadsFirst || len(c.Orders) > 0 {
		return false
	}
	for _, o := range c.Ops {
		if o.Pad != nil || o.Batch+o.Heads+o.Dim > 0 || o.DType != "" ||
			o.Kind == corpus.Crop && o.N > s.Window || o.Kind >= corpus.Snapshot && o.N > 0 {
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
		enumerateShapes(c, yield)
		return
	}
	for n := 0; n <= ops; n++ {
		most := scope.Tokens
		if n == ops {
			most = min(most, tokens)
		}
		for total := 0; total <= most; total++ {
			c.Ops = make([]corpus.Op, n)
			if !enumerateOps(c, 0, total, yield) {
				return
			}
		}
	}
}

// enumerateOps fills operations from i on so that they append exactly left
// tokens more.
func enumerateOps(c *corpus.Case, i, left int, yield func(*corpus.Case) bool) bool {
	if i == len(c.Ops) {
		return left > 0 || enumerateShapes(c, yield)
	}
	for n := 0; n <= left; n++ {
		c.Ops[i] = corpus.Op{Kind: corpus.Append, N: n}
		if !enumerateOps(c, i+1, left-n, yield) {
			return false
		}
	}
	for _, o := range smallOps {
		c.Ops[i] = o
		if !enumerateOps(c, i+1, left, yield) {
			return false
		}
	}
	return true
}

var smallOps = func() []corpus.Op {
	ops := []corpus.Op{{Kind: corpus.Reset}, {Kind: corpus.Snapshot}, {Kind: corpus.Restore}}
	for n := range scope.Window + 1 {
		ops = append(ops, corpus.Op{Kind: corpus.Crop, N: n})
	}
	return ops
}()

func enumerateShapes(c *corpus.Case, yield func(*corpus.Case) bool) bool {
	crop := 0
	for _, o := range c.Ops {
		if o.Kind == corpus.Crop {
			crop = max(crop, o.N)
		}
	}
	for w := max(1, crop); w <= scope.Window; w++ {
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
