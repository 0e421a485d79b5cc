package corpus

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// bytesIn hands out the bytes of an input; past the end they are zero, so that
// every byte string is a case and a longer one a longer case.
type bytesIn struct{ rest []byte }

func (b *bytesIn) next() int {
	if len(b.rest) == 0 {
		return 0
	}
	n := b.rest[0]
	b.rest = b.rest[1:]
	return int(n)
}

// below is a number from 0 to n-1.
func (b *bytesIn) below(n int) int { return b.next() % n }

// decodable are the targets that Decode chooses from: each sound update, the
// sound lowerings, on sim, whose schedule the input decides.
var decodable = func() (all []window.Target) {
	for _, t := range window.Targets() {
		if t.Sound() && !t.IsProgram() && t.Lowering.Sound() && t.Device == "sim" {
			all = append(all, t)
		}
	}
	return all
}()

// Decode makes a case of a cache from any bytes. Each field has its own byte,
// so that near bytes are near cases; two bytes an operation follow, at most
// maxOps of them. What begins with WidePrefix chooses among more.
func Decode(in []byte) *Case {
	if rest, ok := bytes.CutPrefix(in, []byte(WidePrefix)); ok {
		return decodeWide(rest)
	}
	b := &bytesIn{in}
	c := &Case{}
	c.decodeShape(b)
	// Windows from 1 to 16, one in sixteen up to 64: more would take most of the
	// time and show nothing new.
	w := b.next()
	c.Shape.Window = 1 + (w+2)%16
	if w >= 240 {
		c.Shape.Window = 4 * (w - 239)
	}
	c.Target = decodable[b.below(len(decodable))]
	c.decodeSchedule(b)
	prefill := b.next()
	c.Ops = append(c.Ops, Op{Kind: Append, N: (prefill + 2) % (2*c.Shape.Window + 3)})
	for len(b.rest) > 0 && len(c.Ops) < maxOps {
		c.Ops = append(c.Ops, c.decodeOp(b))
	}
	if len(c.Ops) == 1 {
		c.Ops = append(c.Ops, Op{Kind: Append, N: 1})
	}
	return c
}

// maxOps bounds the operations that bytes decode to: a prefill, enough steps to
// turn the largest common window of 16 over row by row, and one more. Fuzzing
// makes inputs long, so it also bounds what an execution costs.
const maxOps = 18

// decodeShape decodes all but the window, whose meaning differs.
func (c *Case) decodeShape(b *bytesIn) {
	lanes := b.next()
	c.Shape = impls.Shape{Batch: 1 + lanes%2, Heads: 1 + lanes/2%3, Window: 1, Dim: 1 + b.below(4)}
	kind := b.next()
	c.Shape.Layout = impls.Layout(kind % 2)
	c.Shape.DType = [...]impls.DType{impls.F32, impls.BF16, impls.U8, impls.F16, impls.F8E4M3}[kind/2%5]
}

func (c *Case) decodeSchedule(b *bytesIn) {
	// From one cell a block, so that every window has many blocks, to more
	// cells than a small window has; one in eight is large.
	block := b.next()
	c.Block = 1 + block%32
	if block >= 224 {
		c.Block = 16 * (block - 223)
	}
	kind, n := b.below(8), b.next()
	switch kind {
	case 0, 1:
		c.Schedule = inplace.Schedule{Kind: inplace.Descending}
	case 2:
		c.Schedule = inplace.Schedule{}
	case 3:
		c.Schedule = inplace.Schedule{Kind: inplace.List, Blocks: []int{n % 16}}
	default:
		c.Schedule = inplace.Schedule{Kind: inplace.Random, Seed: uint64(n)<<8 | uint64(b.next())}
	}
}

func (c *Case) decodeOp(b *bytesIn) Op {
	kind, n := b.next(), b.next()
	for _, x := range operations {
		if o, ok := x.Decode(kind, n, c.Shape); ok {
			return o
		}
	}
	panic("a byte that no operation decodes") // the operations share all 256
}

// DecodeProgram makes a case of a random in-place program from any bytes: one
// or two buffers, up to six statements. What begins with ProgramPrefix chooses among all
// that a program may have.
func DecodeProgram(in []byte) *Case {
	if rest, ok := bytes.CutPrefix(in, []byte(ProgramPrefix)); ok {
		return decodeWideProgram(rest)
	}
	b := &bytesIn{in}
	c := &Case{Target: window.Target{Update: "program", Lowering: inplace.Fused, Device: "sim"}}
	c.decodeShape(b)
	c.decodeSchedule(b)
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

// programNames are the names of a program in the making, buffers first, and their rows.
type programNames struct {
	names []string
	rows  map[string]int
}

// name makes a name known, or its rows others.
func (p *programNames) name(name string, rows int) {
	if _, ok := p.rows[name]; !ok {
		p.names = append(p.names, name)
	}
	p.rows[name] = rows
}

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

// ImportFuzzFile reads the input of a fuzz target of one []byte argument from
// a file as `go test` writes it under testdata/fuzz.
func ImportFuzzFile(text []byte) ([]byte, error) {
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 2 || strings.TrimSpace(lines[0]) != "go test fuzz v1" {
		return nil, fmt.Errorf("want two lines, \"go test fuzz v1\" and []byte(…): a file from testdata/fuzz of a target that takes one []byte")
	}
	arg, ok := strings.CutPrefix(strings.TrimSpace(lines[1]), "[]byte(")
	if ok {
		arg, ok = strings.CutSuffix(arg, ")")
	}
	if !ok {
		return nil, fmt.Errorf("line 2: want []byte(\"…\")")
	}
	s, err := strconv.Unquote(arg)
	if err != nil {
		return nil, fmt.Errorf("line 2: %q is not a Go string", arg)
	}
	return []byte(s), nil
}
