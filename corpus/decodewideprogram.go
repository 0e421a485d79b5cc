package corpus

import (
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// ProgramPrefix begins the inputs of DecodeProgram that choose among all that a program
// may have: flips, steps, masks, sums and returned values. An input without it decodes as
// it did before there were such choices; no input that was stored then begins with it.
const ProgramPrefix = "\xffip\x02"

// decodeWideProgram is DecodeProgram of what follows ProgramPrefix.
func decodeWideProgram(in []byte) *Case {
	b := &bytesIn{in}
	c := decodeAround(b)
	g := &wideProgramIn{programIn: newProgramIn(b)}
	// Two in five programs may add, in one of the types that do so exactly.
	switch b.below(5) {
	case 3:
		g.adds, c.Shape.DType = true, impls.I32
	case 4:
		g.adds, c.Shape.DType = true, impls.F32
	}
	g.buffers()
	for {
		g.statement()
		if g.p.Check() != nil { // a cell of too many summands
			last := len(g.p.Stmts) - 1
			g.p.Stmts = append(g.p.Stmts[:last:last], inplace.Return(inplace.Plain, inplace.View("x", 0, 1)))
		}
		if len(b.rest) == 0 || len(g.p.Stmts) == 6 {
			break
		}
	}
	c.Program = g.p
	return c
}

// wideProgramIn makes statements of the wider grammar.
type wideProgramIn struct {
	programIn
	adds bool
}

func (g *wideProgramIn) statement() {
	kind := g.next() % 16
	name := g.names[g.below(len(g.names))]
	rows := g.rows[name]
	push := func(s inplace.Stmt) { g.p.Stmts = append(g.p.Stmts, s) }
	switch kind {
	case 5, 6: // t = e
		t := [...]string{"t", "u"}[g.below(2)]
		n := 1 + g.below(rows)
		push(inplace.Define(t, g.expr(n, 0)))
		g.name(t, n)
	case 7: // x[[i, …]] = e
		index := g.index(rows)
		push(inplace.AssignIndex(name, index, g.expr(len(index), 0)))
	case 8: // x[[i, …]] of its own rows
		index := g.index(rows)
		lo := g.below(rows - len(index) + 1)
		push(inplace.AssignIndex(name, index, inplace.View(name, lo, lo+len(index))))
	case 9: // x[mask 1011] = e
		mask := make([]bool, rows)
		set := 0
		for i := range mask {
			if mask[i] = g.below(2) == 0; mask[i] {
				set++
			}
		}
		if set == 0 {
			mask[0], set = true, 1
		}
		push(inplace.AssignMask(name, mask, g.expr(set, 0)))
	case 10: // x[lo:hi:step] = e
		n := 1 + g.below(rows)
		s := inplace.Stmt{Dst: name}
		s.Lo, s.Hi, s.Step = stepped(n, rows, g.below)
		s.Src = g.expr(n, 0)
		push(s)
	case 11, 12: // return e
		form := returned[g.below(len(returned))]
		push(inplace.Return(form, g.expr(1+g.below(rows), 0)))
	default: // x[lo:hi] = e or += e, most often all rows but a few
		n := rows - g.below(min(rows, 4))
		lo := g.below(rows - n + 1)
		s := inplace.Assign(name, lo, lo+n, g.expr(n, 0))
		s.Add = g.adds && kind >= 13
		push(s)
	}
}

// stepped is a slice of n rows of so many, at least n, with a step that fits: 2, 3, -1, -2
// or -3. below chooses a number from 0 to n-1.
func stepped(n, rows int, below func(n int) int) (lo, hi, step int) {
	step = [...]int{-1, 2, -2, 3, -3}[below(5)]
	if (n-1)*max(step, -step) >= rows {
		step = -1
	}
	span := (n - 1) * max(step, -step)
	lo = below(rows - span)
	if step > 0 {
		return lo, lo + span + 1, step
	}
	return lo + span, lo - 1, step
}

// returned are the forms of returned values, half of them plain.
var returned = [...]inplace.Form{inplace.Plain, inplace.Plain, inplace.Reshaped, inplace.Transposed}

// expr is an expression of exactly n rows, at most three levels deep.
func (g *wideProgramIn) expr(n, depth int) inplace.Expr {
	kind := g.next() % 14
	switch {
	case depth == 3:
		kind = 0
	case kind == 12 && g.adds:
		return inplace.Add(g.expr(n, depth+1), g.expr(n, depth+1))
	case kind >= 12:
		kind = 9
	}
	switch kind {
	case 7, 8:
		return inplace.Flip(g.expr(n, depth+1))
	case 9, 10:
		name := g.names[g.below(len(g.names))]
		if rows := g.rows[name]; rows >= n {
			e := inplace.Expr{Name: name}
			e.Lo, e.Hi, e.Step = stepped(n, rows, g.below)
			return e
		}
	}
	return g.operation(kind, n, depth, g.expr)
}
