package hunt

import (
	"context"
	"fmt"
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

// How often a wrong program whose failure a finding explains is taken apart: so many times
// in any hunt, and once more for each so many cases, which is each of them where one in
// eight is wrong. It takes a compiler as long as one or two programs of a batch.
const (
	fewParts   = 16
	partsEvery = 8
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
// another one. What is refused is one failure for each class of error, what hangs for each kind
// of operation.
func (h *hunter) alike(failure corpus.Failure, c *corpus.Case) int {
	return h.ofStatements(0, failure, c)
}

// same is the finding that a shrunk case shows too, or -1. A program that was shrunk to
// its end is right without any of its statements, so a finding of fewer of them is not
// what it shows.
func (h *hunter) same(f *Finding) int {
	least := len(f.Small.Program.Stmts)
	if f.Stats.Bounded {
		least = 0
	}
	return h.ofStatements(least, f.Divergence.Failure(f.Small.Target), f.Small)
}

// ofStatements is alike, of the findings that have so many statements or more.
func (h *hunter) ofStatements(least int, failure corpus.Failure, c *corpus.Case) int {
	has := operatorsOf(c, h.result.Foreign, true)
	for _, i := range h.seen[failure] {
		small := h.result.Findings[i].Small
		if failure.Fault != corpus.FaultRows || len(small.Program.Stmts) >= least && operatorsOf(small, h.result.Foreign, false).within(has) {
			return i
		}
	}
	return -1
}

// findingKind is the same for smallest cases of a failure that are one finding by same, however
// each was shrunk: a hunt has one of each kind at most.
func findingKind(failure corpus.Failure, c *corpus.Case, foreign bool) string {
	if failure.Fault != corpus.FaultRows || !foreign || !c.Target.IsProgram() {
		return ""
	}
	return fmt.Sprint(operatorsOf(c, foreign, false), len(c.Program.Stmts))
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

// unexplained is what of a failed case shows what no finding does, and how it fails: the
// case, or a part of it. explained is the finding that does what the whole does. Where
// shows is false there is nothing, or it was shrunk often enough: then its failure is known.
func (h *hunter) unexplained(ctx context.Context, failure corpus.Failure, c *corpus.Case, n *Note, d *corpus.Divergence, explained int) (part *corpus.Case, of *corpus.Divergence, shows bool) {
	known, apart := len(h.seen[failure]) > 0, h.comesApart(failure, c)
	switch {
	case explained >= 0 && h.otherInIt(n):
		return c, d, true
	case explained >= 0 && (!apart || h.parts >= fewParts+n.Number/partsEvery):
		return nil, nil, false
	case explained >= 0:
		h.parts++
	case known && !h.another(n):
		return nil, nil, false
	}
	if !apart {
		return c, d, true
	}
	part, of, err := h.part(ctx, c, d)
	if err != nil { // it was cut short, or a worker does not start again: the case stands for itself
		part = nil
	}
	switch {
	case part == nil && !known:
		return c, d, true
	case part == nil, explained >= 0 && !h.another(n):
		return nil, nil, false
	}
	return part, of, true
}

// part is the part of a wrong program that shows what no finding does, and how it fails:
// nil if there is none. One fault that shows in most programs would hide all others that
// are the same failure. Such a part is a statement that is wrong alone, or what is left
// without those.
//
// That a statement does what a finding of one statement does proves little: it stays if it
// is right alone. What does what a finding of several does is left out.
func (h *hunter) part(ctx context.Context, c *corpus.Case, d *corpus.Divergence) (*corpus.Case, *corpus.Divergence, error) {
	from := time.Now()
	defer func() { h.shrinking += time.Since(from) }()
	defer h.alone()()
	each, alone, err := h.eachAlone(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	wrong := make([]bool, len(each))
	for i, one := range each {
		if wrong[i] = one != nil && alone[i] != nil && alone[i].Fault == corpus.FaultRows; wrong[i] && h.alike(alone[i].Failure(one.Target), one) < 0 {
			return one, alone[i], nil
		}
	}
	less := c.Clone()
	less.Program.Stmts = but(c.Program, wrong)
	for before := len(c.Program.Stmts); len(less.Program.Stmts) > 0; {
		if len(less.Program.Stmts) < before {
			if d, err = h.r.One(ctx, less); err != nil || d == nil || d.Fault != corpus.FaultRows {
				return nil, nil, err
			}
		}
		i := h.ofStatements(2, d.Failure(less.Target), less)
		if i < 0 {
			return less, d, nil
		}
		before = len(less.Program.Stmts)
		less.Program.Stmts = without(less.Program, operatorsOf(h.result.Findings[i].Small, true, false))
	}
	return nil, nil, nil
}

// comesApart reports whether a failure is asked for what no finding explains of it: that
// of a program of several statements with wrong rows, while there is time.
func (h *hunter) comesApart(failure corpus.Failure, c *corpus.Case) bool {
	return h.result.Foreign && failure.Target.IsProgram() && failure.Fault == corpus.FaultRows && h.r != nil &&
		len(c.Program.Stmts) > 1 && len(c.Beside) == 0 && (h.until.IsZero() || time.Now().Before(h.until))
}

// eachAlone runs each statement of a case as a program of its own, but for the definitions
// of what it reads. A definition has no case, and no divergence.
func (h *hunter) eachAlone(ctx context.Context, c *corpus.Case) ([]*corpus.Case, []*corpus.Divergence, error) {
	each, found := make([]*corpus.Case, len(c.Program.Stmts)), make([]*corpus.Divergence, len(c.Program.Stmts))
	var cases []*corpus.Case
	var of []int
	for i, s := range c.Program.Stmts {
		if s.Define {
			continue
		}
		one := c.Clone()
		if one.Program.Stmts = withDefinitions(c.Program.Stmts[:i], s); one.Check(corpus.DefaultLimit) == nil {
			each[i], cases, of = one, append(cases, one), append(of, i)
		}
	}
	if len(cases) == 0 {
		return each, found, nil
	}
	ds, err := h.r.Run(ctx, cases)
	for i, d := range ds {
		found[of[i]] = d
	}
	return each, found, err
}

// withDefinitions is a statement, after those of the ones before it that define what it
// reads or writes.
func withDefinitions(before []inplace.Stmt, s inplace.Stmt) []inplace.Stmt {
	needs := map[string]bool{s.Dst: true}
	names(s.Src, needs)
	stmts := []inplace.Stmt{s}
	for _, b := range slices.Backward(before) {
		if b.Define && needs[b.Dst] {
			delete(needs, b.Dst)
			names(b.Src, needs)
			stmts = append(stmts, b)
		}
	}
	slices.Reverse(stmts)
	return stmts
}

// names adds the names that an expression reads.
func names(e inplace.Expr, to map[string]bool) {
	if e.Op == inplace.OpView {
		to[e.Name] = true
	}
	for _, a := range e.Args {
		names(a, to)
	}
}

// otherInIt reports whether a part of a merge saw another fault in a case than the finding
// that explains it.
func (h *hunter) otherInIt(n *Note) bool {
	return h.r == nil && n.Finding != nil && h.same(n.Finding) < 0
}

// without is a program without the statements that do some part of what has: that part
// which fewest do.
func without(p inplace.Program, has operators) []inplace.Stmt {
	does := make([]operators, len(p.Stmts))
	for i, s := range p.Stmts {
		does[i].statement(s, true)
	}
	var least []bool
	fewest := len(p.Stmts) + 1
	for place, bits := range has {
		for bit := uint16(1); bit != 0; bit <<= 1 {
			if bits&bit == 0 {
				continue
			}
			n, doing := 0, make([]bool, len(does))
			for i, o := range does {
				if doing[i] = o[place]&bit != 0; doing[i] {
					n++
				}
			}
			if n < fewest {
				fewest, least = n, doing
			}
		}
	}
	return but(p, least)
}

// but is a program without some statements, and without those that then read a name that
// is gone.
func but(p inplace.Program, gone []bool) []inplace.Stmt {
	kept := inplace.Program{Buffers: p.Buffers}
	for i, s := range p.Stmts {
		if gone[i] {
			continue
		}
		if kept.Stmts = append(kept.Stmts, s); kept.Check() != nil {
			kept.Stmts = kept.Stmts[:len(kept.Stmts)-1]
		}
	}
	return kept.Stmts
}

// found puts a finding, shrunk to some failure, among those that are known, and says where
// and whether it is new there: it may show what one of them does, and takes its place
// where it does so with fewer operators, unless that one was shrunk to its end and has
// more statements, or f was not shrunk at all, as after a signal: that one then stays.
func (h *hunter) found(f *Finding, small corpus.Failure) (at int, isNew bool) {
	if i := h.same(f); i >= 0 {
		h.result.Findings[i].Seen++ // what was left of it is known
		alsoLost(&h.result.Findings[i], f)
		return i, false
	}
	has := operatorsOf(f.Small, h.result.Foreign, false)
	for _, i := range h.seen[small] {
		old := &h.result.Findings[i]
		if notSeenAgain(f.Divergence) && !notSeenAgain(old.Divergence) {
			continue
		}
		replaces := old.Stats.Bounded || len(old.Small.Program.Stmts) <= len(f.Small.Program.Stmts)
		if replaces && has.within(operatorsOf(old.Small, h.result.Foreign, true)) {
			if unshrunk := f.Stats.Bounded && f.Stats.Runs == 0; unshrunk && !old.Stats.Bounded {
				old.Seen++
				alsoLost(old, f)
				return i, false
			}
			f.At, f.After, f.Seen = old.At, old.After, old.Seen+1
			before := *old
			*old = *f
			alsoLost(old, &before)
			return i, true
		}
	}
	h.result.Findings = append(h.result.Findings, *f)
	return len(h.result.Findings) - 1, true
}

// alsoLost adds to the runs that a finding lost those of another that it is one with: what
// ended the worker is told, if only so. A note may have f's divergence: it stays as it is.
func alsoLost(f, other *Finding) {
	if f.Divergence.Runs == nil || other.Divergence.Runs == nil {
		return
	}
	d, runs := *f.Divergence, *f.Divergence.Runs
	runs.Lost += other.Divergence.Runs.Lost
	d.Runs, f.Divergence = &runs, &d
}

// notSeenAgain reports whether what was seen once was in none of the runs since.
func notSeenAgain(d *corpus.Divergence) bool {
	return d.Runs != nil && d.Runs.Of > 0 && d.Runs.Wrong == 0
}
