package evolve

import (
	"math/rand/v2"
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
)

// The bounds of a varied case, those of drawn ones: as many operations, and as many
// cells of all tokens, so that it takes no longer.
const (
	maxOps   = 24
	maxCells = 1 << 18
)

// maxStack bounds the changes that are made to a case at once.
const maxStack = 4

// mutate is a case like c that differs in one to maxStack places, with parts of donor,
// another case of the target. It may have no meaning: the caller checks.
func mutate(r *rand.Rand, c, donor *corpus.Case) *corpus.Case {
	m := c.Clone()
	m.Expect = nil
	for n := 1 + r.IntN(maxStack); n > 0; n-- {
		switch {
		case r.IntN(8) == 0:
			dress(m, donor)
		case r.IntN(8) == 0:
			m.Schedule, m.Orders = donor.Schedule, nil
		case len(m.Program.Stmts) > 0:
			mutateProgram(r, m, donor)
		case len(m.Ops) > 0:
			mutateOps(r, m, donor)
		default: // a built-in program, which is its shape and the order of its blocks
			dress(m, donor)
		}
	}
	m.FitLists()
	for len(m.Ops) > 1 && (len(m.Ops) > maxOps || m.Tokens()*m.MaxBatch()*m.Shape.Heads*m.Shape.Dim > maxCells) {
		m.Ops = m.Ops[:len(m.Ops)-1]
	}
	return m
}

// dress gives a case the shape and the blocks of another: together, since a block is
// chosen for a shape.
func dress(m, donor *corpus.Case) {
	from := m.Shape
	m.Shape, m.Block = donor.Shape, donor.Block
	if m.Program.Adds() {
		m.Shape.DType = from.DType // which adds exactly
	}
	m.Orders = nil
	for i := range m.Ops {
		m.Ops[i] = fit(&m.Ops[i], from, m.Shape)
	}
}

// fit is an operation of a case of one shape for one of another.
func fit(o *corpus.Op, from, to impls.Shape) corpus.Op {
	if from == to {
		return *o
	}
	return o.Kind.Operation().Fit(o, from, to)
}

// run is a few operations in a row: where they begin and how many.
func run(r *rand.Rand, ops int) (at, n int) {
	at = r.IntN(ops)
	return at, min(1+r.IntN(4), ops-at)
}

func mutateOps(r *rand.Rand, m, donor *corpus.Case) {
	at, n := run(r, len(m.Ops))
	switch r.IntN(6) {
	case 0: // leave some out
		if n < len(m.Ops) {
			m.Ops = slices.Delete(m.Ops, at, at+n)
		}
	case 1: // repeat some, elsewhere
		m.Ops = slices.Insert(m.Ops, r.IntN(len(m.Ops)+1), slices.Clone(m.Ops[at:at+n])...)
	case 2, 3: // some of another case
		if len(donor.Ops) == 0 {
			return
		}
		from, n := run(r, len(donor.Ops))
		more := slices.Clone(donor.Ops[from : from+n])
		for i := range more {
			more[i] = fit(&more[i], donor.Shape, m.Shape)
		}
		m.Ops = slices.Insert(m.Ops, r.IntN(len(m.Ops)+1), more...)
	case 4: // end as another case does
		if len(donor.Ops) == 0 {
			return
		}
		m.Ops = slices.Clone(m.Ops[:at])
		for i := r.IntN(len(donor.Ops)); i < len(donor.Ops); i++ {
			m.Ops = append(m.Ops, fit(&donor.Ops[i], donor.Shape, m.Shape))
		}
	case 5:
		nudge(r, &m.Ops[at], m.Shape)
	}
}

// nudge changes a number of an operation: to one beside it, or to one where a window
// begins, ends or goes round.
func nudge(r *rand.Rand, o *corpus.Op, s impls.Shape) {
	w := s.Window
	ends := [...]int{0, 1, w - 1, w, w + 1, 2 * w}
	other := func(n int) int {
		if r.IntN(2) == 0 {
			return max(0, n+1-2*r.IntN(2))
		}
		return ends[r.IntN(len(ends))]
	}
	switch {
	case o.Kind == corpus.Reset:
	case o.Kind == corpus.Select:
		o.Each = slices.Clone(o.Each)
		o.Each[r.IntN(len(o.Each))] = r.IntN(corpus.MaxEntries)
	case o.Each != nil:
		o.Each = slices.Clone(o.Each)
		i := r.IntN(len(o.Each))
		if o.Each[i] = other(o.Each[i]); o.Kind == corpus.Append {
			o.N = slices.Max(o.Each)
		}
	case o.Kind == corpus.Snapshot || o.Kind == corpus.Restore:
		o.N = 1 - min(1, o.N)
	default:
		o.N, o.Pad = other(o.N), nil
	}
}
