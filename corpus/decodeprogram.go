package corpus

import (
	"bytes"

	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// DecodeProgram makes a case of a random in-place program from any bytes: one
// or two buffers, up to six statements. What begins with ProgramPrefix chooses among all
// that a program may have.
func DecodeProgram(in []byte) *Case {
	if rest, ok := bytes.CutPrefix(in, []byte(ProgramPrefix)); ok {
		return decodeWideProgram(rest)
	}
	b := &bytesIn{in}
	c := decodeAround(b)
	g := newProgramIn(b)
	g.buffers()
	// Past the end of the input every choice is the first one, so a short
	// input is a short program.
	for {
		g.statement()
		if len(b.rest) == 0 || len(g.p.Stmts) == 6 {
			break
		}
	}
	c.Program = g.p
	return c
}

// decodeAround is a case of a program but for the program.
func decodeAround(b *bytesIn) *Case {
	c := &Case{Target: window.Target{Update: "program", Lowering: inplace.Fused, Device: "sim"}}
	c.decodeShape(b)
	c.decodeSchedule(b)
	return c
}

// programIn makes the program that bytes choose.
type programIn struct {
	*bytesIn
	programNames
	p inplace.Program
}

func newProgramIn(b *bytesIn) programIn {
	return programIn{bytesIn: b, programNames: programNames{rows: map[string]int{}}}
}

func (g *programIn) buffer(name string, rows int) {
	g.p.Buffers = append(g.p.Buffers, inplace.Buffer{Name: name, Rows: rows})
	g.name(name, rows)
}

// buffers are one or two, as one byte says.
func (g *programIn) buffers() {
	size := g.next()
	g.buffer("x", 2+(size+2)%10)
	if size >= 160 {
		g.buffer("y", 2+size%7)
	}
}

func (g *programIn) statement() {
	kind := g.next()
	name := g.names[g.below(len(g.names))]
	rows := g.rows[name]
	switch {
	case kind%8 < 5: // x[lo:hi] = e, most often all rows but a few
		n := rows - g.below(min(rows, 4))
		lo := g.below(rows - n + 1)
		g.p.Stmts = append(g.p.Stmts, inplace.Assign(name, lo, lo+n, g.expr(n, 0)))
	case kind%8 < 7: // t = e
		t := [...]string{"t", "u"}[kind/8%2]
		n := 1 + g.below(rows)
		g.p.Stmts = append(g.p.Stmts, inplace.Define(t, g.expr(n, 0)))
		g.name(t, n)
	default: // x[[i, …]] = e
		index := g.index(rows)
		g.p.Stmts = append(g.p.Stmts, inplace.AssignIndex(name, index, g.expr(len(index), 0)))
	}
}

// index is a few distinct rows below n.
func (g *programIn) index(n int) []int {
	index := []int{}
	seen := map[int]bool{}
	for range 1 + g.below(min(n, 4)) {
		if i := g.below(n); !seen[i] {
			seen[i] = true
			index = append(index, i)
		}
	}
	return index
}

// expr is an expression of exactly n rows. Three levels are as deep as any
// update goes.
func (g *programIn) expr(n, depth int) inplace.Expr {
	kind := g.below(8)
	if depth == 3 {
		kind = 0
	}
	return g.operation(kind, n, depth, g.expr)
}

// operation is an expression of that kind, whose parts expr makes. Kinds that it does not
// know are views.
func (g *programIn) operation(kind, n, depth int, expr func(n, depth int) inplace.Expr) inplace.Expr {
	switch kind {
	case 1, 2:
		return inplace.Clone(expr(n, depth+1))
	case 3:
		if n > 1 {
			k := 1 + g.below(n-1)
			return inplace.Cat(expr(n-k, depth+1), expr(k, depth+1))
		}
	case 4:
		return inplace.Roll(expr(n, depth+1), g.below(5)-2)
	case 5:
		m := n + g.below(3)
		e := expr(m, depth+1)
		index := make([]int, n)
		for i := range index {
			index[i] = (i + g.below(m)) % m
		}
		return inplace.Gather(e, index)
	case 6:
		index := g.index(n)
		return inplace.IndexCopy(expr(n, depth+1), index, expr(len(index), depth+1))
	}
	return g.view(n)
}

// view is n rows of a name that has as many, or several views in a row where
// none has.
func (g *programIn) view(n int) inplace.Expr {
	which, lo := g.next(), g.next()
	name := g.names[which%len(g.names)]
	rows := g.rows[name]
	if rows >= n {
		lo %= rows - n + 1
		return inplace.View(name, lo, lo+n)
	}
	return inplace.Cat(inplace.View(name, 0, rows), g.view(n-rows))
}
