package hunt

import (
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
		all.add(place, under, s.Src)
	}
	return all
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
