package inplace

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls"
)

func (e Expr) String() string {
	var b strings.Builder
	e.write(&b)
	return b.String()
}

func (e Expr) write(b *strings.Builder) {
	if e.Op == OpView {
		fmt.Fprintf(b, "%s[%d:%d]", e.Name, e.Lo, e.Hi)
		return
	}
	b.WriteString(opNames[e.Op])
	b.WriteByte('(')
	for i, a := range e.Args {
		if i > 0 {
			b.WriteString(", ")
			if e.Op == OpIndexCopy {
				writeIndex(b, e.Index)
				b.WriteString(", ")
			}
		}
		a.write(b)
	}
	switch e.Op {
	case OpRoll:
		fmt.Fprintf(b, ", %d", e.K)
	case OpGather:
		b.WriteString(", ")
		writeIndex(b, e.Index)
	}
	b.WriteByte(')')
}

func writeIndex(b *strings.Builder, index []int) {
	b.WriteByte('[')
	for i, n := range index {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(n))
	}
	b.WriteByte(']')
}

func (s Stmt) String() string {
	var b strings.Builder
	b.WriteString(s.Dst)
	switch {
	case s.Define:
	case s.Index != nil:
		b.WriteByte('[')
		writeIndex(&b, s.Index)
		b.WriteByte(']')
	default:
		fmt.Fprintf(&b, "[%d:%d]", s.Lo, s.Hi)
	}
	b.WriteString(" = ")
	s.Src.write(&b)
	return b.String()
}

// ParseStmt reads one statement as String writes it: `t = roll(x[0:4], -1)`,
// `x[1:4] = clone(x[0:3])`, `x[[0, 2]] = new[0:2]`.
func ParseStmt(line string) (Stmt, error) {
	p := &stmtParser{rest: line}
	s := p.stmt()
	p.space()
	if p.err == nil && p.rest != "" {
		p.fail("the end of the line")
	}
	return s, p.err
}

type stmtParser struct {
	rest string
	err  error
}

func (p *stmtParser) fail(want string) {
	if p.err == nil {
		found := p.rest
		if len(found) > 20 {
			found = found[:20] + "…"
		}
		if found == "" {
			found = "the end"
		}
		p.err = fmt.Errorf("want %s at %q", want, found)
		p.rest = ""
	}
}

func (p *stmtParser) space() { p.rest = strings.TrimLeft(p.rest, " \t") }

func (p *stmtParser) peek(c byte) bool {
	p.space()
	return p.rest != "" && p.rest[0] == c
}

func (p *stmtParser) accept(c byte) bool {
	if !p.peek(c) {
		return false
	}
	p.rest = p.rest[1:]
	return true
}

func (p *stmtParser) expect(c byte) {
	if !p.accept(c) {
		p.fail(strconv.Quote(string(c)))
	}
}

func (p *stmtParser) name() string {
	p.space()
	n := 0
	for n < len(p.rest) && (p.rest[n] == '_' || p.rest[n]|0x20 >= 'a' && p.rest[n]|0x20 <= 'z' || n > 0 && p.rest[n] >= '0' && p.rest[n] <= '9') {
		n++
	}
	if n == 0 {
		p.fail("a name")
		return ""
	}
	name := p.rest[:n]
	p.rest = p.rest[n:]
	return name
}

func (p *stmtParser) number() int {
	p.space()
	n := 0
	for n < len(p.rest) && (p.rest[n] >= '0' && p.rest[n] <= '9' || n == 0 && p.rest[n] == '-') {
		n++
	}
	// The text must be what strconv would print, so that printing a parsed
	// statement gives the same bytes.
	v, err := strconv.Atoi(p.rest[:n])
	if err != nil || strconv.Itoa(v) != p.rest[:n] || v > impls.MaxExtent || v < -impls.MaxExtent {
		p.fail(fmt.Sprintf("a number of at most %d", impls.MaxExtent))
		return 0
	}
	p.rest = p.rest[n:]
	return v
}

func (p *stmtParser) index() []int {
	p.expect('[')
	index := []int{}
	for p.err == nil && !p.accept(']') {
		if len(index) > 0 {
			p.expect(',')
		}
		index = append(index, p.number())
	}
	return index
}

func (p *stmtParser) stmt() Stmt {
	s := Stmt{Dst: p.name()}
	switch {
	case !p.accept('['):
		s.Define = true
	case p.peek('['):
		s.Index = p.index()
		p.expect(']')
	default:
		s.Lo = p.number()
		p.expect(':')
		s.Hi = p.number()
		p.expect(']')
	}
	p.expect('=')
	s.Src = p.expr(0)
	return s
}

func (p *stmtParser) expr(depth int) Expr {
	if depth > maxDepth {
		p.fail(fmt.Sprintf("at most %d nested expressions", maxDepth))
		return Expr{}
	}
	name := p.name()
	if p.accept('[') {
		e := View(name, p.number(), 0)
		p.expect(':')
		e.Hi = p.number()
		p.expect(']')
		return e
	}
	var e Expr
	for op := OpCat; int(op) < len(opNames); op++ {
		if opNames[op] == name {
			e.Op = op
		}
	}
	if e.Op == OpView {
		p.fail("rows, as in " + name + "[0:1]")
		return e
	}
	p.expect('(')
	e.Args = append(e.Args, p.expr(depth+1))
	switch e.Op {
	case OpCat:
		for p.accept(',') {
			e.Args = append(e.Args, p.expr(depth+1))
		}
	case OpRoll:
		p.expect(',')
		e.K = p.number()
	case OpGather:
		p.expect(',')
		p.space()
		e.Index = p.index()
	case OpIndexCopy:
		p.expect(',')
		p.space()
		e.Index = p.index()
		p.expect(',')
		e.Args = append(e.Args, p.expr(depth+1))
	}
	p.expect(')')
	return e
}
