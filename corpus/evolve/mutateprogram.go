package evolve

import (
	"math/rand/v2"
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// maxStmts bounds the statements of a varied program, which may otherwise have as many as
// the one that it is varied with: those that are drawn for workers have more.
const maxStmts = 8

func mutateProgram(r *rand.Rand, m, donor *corpus.Case) {
	p := &m.Program
	at := r.IntN(len(p.Stmts))
	switch r.IntN(5) {
	case 0:
		if len(p.Stmts) > 1 {
			p.Stmts = slices.Delete(p.Stmts, at, at+1)
		}
	case 1:
		to := r.IntN(len(p.Stmts))
		p.Stmts[at], p.Stmts[to] = p.Stmts[to], p.Stmts[at]
	case 2: // one of another program, or one of its own again
		more := p.Stmts[at]
		if n := len(donor.Program.Stmts); n > 0 && r.IntN(2) == 0 {
			more = donor.Program.Stmts[r.IntN(n)]
		}
		if len(p.Stmts) < max(maxStmts, len(donor.Program.Stmts)) {
			p.Stmts = slices.Insert(p.Stmts, r.IntN(len(p.Stmts)+1), more)
		}
	case 3: // other rows
		x := &p.Stmts[at]
		step := 1 - 2*r.IntN(2)
		if r.IntN(2) == 0 && x.Index == nil && x.Mask == nil && x.Form == inplace.NotReturned && !x.Define {
			x.Lo, x.Hi = x.Lo+step, x.Hi+step
			return
		}
		x.Src = moved(r, x.Src, step)
	case 4: // a value in between, or one less
		x := &p.Stmts[at]
		if x.Src.Op == inplace.OpClone {
			x.Src = x.Src.Args[0]
		} else {
			x.Src = inplace.Clone(x.Src)
		}
	}
}

// moved is an expression of which one part reads rows beside those that it read. It
// shares no part that differs.
func moved(r *rand.Rand, e inplace.Expr, step int) inplace.Expr {
	if len(e.Args) > 0 && (e.Op != inplace.OpRoll || r.IntN(2) == 0) {
		e.Args = slices.Clone(e.Args)
		i := r.IntN(len(e.Args))
		e.Args[i] = moved(r, e.Args[i], step)
		return e
	}
	switch e.Op {
	case inplace.OpView:
		e.Lo, e.Hi = e.Lo+step, e.Hi+step
	case inplace.OpRoll:
		e.K += step
	}
	return e
}
