package hunt

import (
	"context"
	"slices"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// How often a case is shrunk though its failure is known, since no finding explains it: a
// few times in any hunt, and once more for each so many cases. That is a quarter of the
// time where to shrink one takes as long as to run ten.
const (
	fewShrinks  = 4
	shrinkEvery = 32
)

// How often a case whose failure a finding explains is run without what explains it, to see
// whether it has another fault: so many times in any hunt, and once more for each so many
// cases. A program that is run alone takes a compiler as long as several of a batch.
const (
	fewRests  = 16
	restEvery = 16
)

// operators are what a program does: for each way to write and each place in an
// operation a bit for each operation whose value goes there.
type operators [places]uint16

// The ways to write, and the places in an operation. The base of an index_copy is not its
// source: the one is a buffer that may be written in place, the other is read alone.
const (
	inRows = iota
	inStep
	inIndex
	inMask
	inSum
	inName
	inReturn
	inBase
	inOperation
	places = inOperation + int(inplace.OpAdd) + 1
)

// steppedView is the bit of a view with a step, beyond those of the operations.
const steppedView = uint16(1) << (inplace.OpAdd + 1)

// operatorsOf lists what a program of what is not ours does; all else has none. With deep
// it has all operations of a statement for each of its ways to write, not the last one
// alone: what lies between the two may make no difference.
func operatorsOf(c *corpus.Case, foreign, deep bool) (all operators) {
	if c == nil || !foreign || !c.Target.IsProgram() {
		return all
	}
	for _, s := range c.Program.Stmts {
		all.statement(s, deep)
	}
	return all
}

// statement adds what a statement does.
func (o *operators) statement(s inplace.Stmt, deep bool) {
	place := inRows
	switch {
	case s.Define:
		place = inName
	case s.Form != inplace.NotReturned:
		place = inReturn
	case s.Index != nil:
		place = inIndex
	case s.Mask != nil:
		place = inMask
	case s.Add:
		place = inSum
	case s.Step != 0:
		place = inStep
	}
	under := noPlace
	if deep {
		under = place
	}
	o.add(place, under, s.Src)
}

// noPlace is where nothing is added.
const noPlace = -1

// add adds what an expression does in some place, and all that is in it to another, under.
func (o *operators) add(place, under int, e inplace.Expr) {
	bits := uint16(1) << e.Op
	if e.Op == inplace.OpView && e.Step != 0 {
		bits |= steppedView
	}
	if o[place] |= bits; under != noPlace {
		o[under] |= bits
	}
	for i, a := range e.Args {
		place := inOperation + int(e.Op)
		if e.Op == inplace.OpIndexCopy && i == 0 {
			place = inBase
		}
		o.add(place, under, a)
	}
}

// within reports whether another program does all of that too.
func (o operators) within(other operators) bool {
	for i, ops := range o {
		if ops&^other[i] != 0 {
			return false
		}
	}
	return true
}

// alike is the finding of a failure that a case shows too, or -1. Two faults of a compiler
// are often one failure, a row that is wrong, and what tells them apart is by which
// operators they show: a program without those of a finding, in its smallest case, shows
// another one. What is refused, or hangs, is one failure for each kind of operation.
func (h *hunter) alike(failure corpus.Failure, c *corpus.Case) int {
	has := operatorsOf(c, h.result.Foreign, true)
	for _, i := range h.seen[failure] {
		small := h.result.Findings[i].Small
		if failure.Fault != corpus.FaultRows || operatorsOf(small, h.result.Foreign, false).within(has) {
			return i
		}
	}
	return -1
}

// another reports whether a case is shrunk whose failure is known and which no finding of
// it explains: unless that was done often, or the time is up. What a part of a merge has
// shrunk is there already.
func (h *hunter) another(n *Note) bool {
	if h.each && n.Finding != nil {
		return true
	}
	if h.shrinks >= fewShrinks+n.Number/shrinkEvery || !h.until.IsZero() && time.Now().After(h.until) {
		return false
	}
	h.shrinks++
	return true
}

// rest is a case whose failure a finding explains, without the statements that do what such
// findings do, and how it fails then: nil if it does not, or is not asked. One fault that
// shows in most programs would hide all others that are the same failure.
func (h *hunter) rest(ctx context.Context, failure corpus.Failure, c *corpus.Case, n *Note) (*corpus.Case, *corpus.Divergence, error) {
	if !h.result.Foreign || !failure.Target.IsProgram() || failure.Fault != corpus.FaultRows || h.r == nil ||
		h.rests >= fewRests+n.Number/restEvery || !h.until.IsZero() && time.Now().After(h.until) {
		return nil, nil, nil
	}
	less := h.unexplained(failure, c)
	if less == nil {
		return nil, nil, nil
	}
	h.rests++
	from := time.Now()
	defer func() { h.shrinking += time.Since(from) }()
	defer h.alone()()
	d, err := h.r.One(ctx, less)
	if err != nil || d == nil || d.Fault != corpus.FaultRows || h.alike(d.Failure(less.Target), less) >= 0 {
		return nil, nil, err
	}
	return less, d, nil
}

// otherInIt reports whether a part of a merge saw another fault in a case than the finding
// that explains it.
func (h *hunter) otherInIt(n *Note) bool {
	f := n.Finding
	return h.r == nil && f != nil && h.alike(f.Divergence.Failure(f.Small.Target), f.Small) < 0
}

// unexplained is a case without the statements that do what findings of its failure do, or
// nil if that leaves none.
func (h *hunter) unexplained(failure corpus.Failure, c *corpus.Case) *corpus.Case {
	c = c.Clone()
	for len(c.Program.Stmts) > 0 {
		i := h.alike(failure, c)
		if i < 0 {
			return c
		}
		c.Program.Stmts = without(c.Program, operatorsOf(h.result.Findings[i].Small, true, false))
	}
	return nil
}

// without is a program without the statements that do some part of what has: that part
// which fewest do, and whatever then reads a name that is gone.
func without(p inplace.Program, has operators) []inplace.Stmt {
	does := make([]operators, len(p.Stmts))
	for i, s := range p.Stmts {
		does[i].statement(s, true)
	}
	least, place, bit := len(p.Stmts)+1, 0, uint16(0)
	for i, bits := range has {
		for b := uint16(1); b != 0; b <<= 1 {
			if bits&b == 0 {
				continue
			}
			n := 0
			for _, o := range does {
				if o[i]&b != 0 {
					n++
				}
			}
			if n < least {
				least, place, bit = n, i, b
			}
		}
	}
	kept := inplace.Program{Buffers: p.Buffers}
	for i, s := range p.Stmts {
		if does[i][place]&bit != 0 {
			continue
		}
		if kept.Stmts = append(kept.Stmts, s); kept.Check() != nil {
			kept.Stmts = slices.Delete(kept.Stmts, len(kept.Stmts)-1, len(kept.Stmts))
		}
	}
	return kept.Stmts
}

// found puts a finding, shrunk to some failure, among those that are known, and says where
// and whether it is new there: it may show what one of them does, and takes its place
// where it does so with fewer operators.
func (h *hunter) found(f *Finding, small corpus.Failure) (at int, isNew bool) {
	if i := h.alike(small, f.Small); i >= 0 {
		h.result.Findings[i].Seen++ // what was left of it is known
		return i, false
	}
	has := operatorsOf(f.Small, h.result.Foreign, false)
	for _, i := range h.seen[small] {
		if old := &h.result.Findings[i]; has.within(operatorsOf(old.Small, h.result.Foreign, true)) {
			f.At, f.After, f.Seen = old.At, old.After, old.Seen+1
			*old = *f
			return i, true
		}
	}
	h.result.Findings = append(h.result.Findings, *f)
	return len(h.result.Findings) - 1, true
}
