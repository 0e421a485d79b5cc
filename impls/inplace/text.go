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
	switch e.Op {
	case OpView:
		fmt.Fprintf(b, "%s[%s]", e.Name, sliceText(e.Lo, e.Hi, e.Step))
		return
	case OpAdd:
		for i, a := range e.Args {
			if i > 0 {
				b.WriteString(" + ")
			}
			if a.Op != OpAdd {
				a.write(b)
				continue
			}
			b.WriteByte('(')
			a.write(b)
			b.WriteByte(')')
		}
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

// sliceText is a slice as Python writes it. A negative step may go past the first row,
// to an end of -1, which is left out.
func sliceText(lo, hi, step int) string {
	switch {
	case step == 0:
		return fmt.Sprintf("%d:%d", lo, hi)
	case step < 0 && hi == -1:
		return fmt.Sprintf("%d::%d", lo, step)
	}
	return fmt.Sprintf("%d:%d:%d", lo, hi, step)
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

// maskWord begins a mask: a digit for each row.
const maskWord = "mask"

var digit = map[bool]byte{false: '0', true: '1'}

func (s Stmt) String() string {
	var b strings.Builder
	switch s.Form {
	case NotReturned:
	case Plain:
		return fmt.Sprintf("%s %s", formNames[Plain], s.Src)
	default:
		return fmt.Sprintf("%s %s(%s)", formNames[Plain], formNames[s.Form], s.Src)
	}
	b.WriteString(s.Dst)
	switch {
	case s.Define:
	case s.Mask != nil:
		b.WriteString("[" + maskWord + " ")
		for _, set := range s.Mask {
			b.WriteByte(digit[set])
		}
		b.WriteByte(']')
	case s.Index != nil:
		b.WriteByte('[')
		writeIndex(&b, s.Index)
		b.WriteByte(']')
	default:
		fmt.Fprintf(&b, "[%s]", sliceText(s.Lo, s.Hi, s.Step))
	}
	if s.Add {
		b.WriteString(" +")
	} else {
		b.WriteByte(' ')
	}
	b.WriteString("= ")
	s.Src.write(&b)
	return b.String()
}

// ParseStmt reads one statement as String writes it: `t = roll(x[0:4], -1)`,
// `x[1:4] = clone(x[0:3])`, `x[[0, 2]] = new[0:2]`, `x[mask 011] = x[2:0:-1] + y[0:2]`,
// `x[1:4] += x[0:3]`, `return transpose(x[0:4])`.
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
	if s.Dst == formNames[Plain] {
		return p.returned()
	}
	switch {
	case !p.accept('['):
		s.Define = true
	case p.peek('['):
		s.Index = p.index()
		p.expect(']')
	case strings.HasPrefix(p.rest, maskWord):
		s.Mask = p.mask()
		p.expect(']')
	default:
		s.Lo, s.Hi, s.Step = p.slice()
		p.expect(']')
		s.Add = p.accept('+')
	}
	p.expect('=')
	s.Src = p.expr(0)
	return s
}

// returned is what follows the word return.
func (p *stmtParser) returned() Stmt {
	p.space()
	for _, form := range [...]Form{Reshaped, Transposed} {
		if rest, ok := strings.CutPrefix(p.rest, formNames[form]+"("); ok {
			p.rest = rest
			s := Return(form, p.expr(1))
			p.expect(')')
			return s
		}
	}
	return Return(Plain, p.expr(0))
}

// mask is a digit for each row.
func (p *stmtParser) mask() []bool {
	p.rest = strings.TrimPrefix(p.rest, maskWord)
	p.space()
	mask := []bool{}
	for p.rest != "" && (p.rest[0] == '0' || p.rest[0] == '1') {
		mask = append(mask, p.rest[0] == '1')
		p.rest = p.rest[1:]
	}
	if len(mask) == 0 || len(mask) > impls.MaxExtent {
		p.fail("a digit 0 or 1 for each row")
	}
	return mask
}

// slice is lo:hi, lo:hi:step, or lo::step with a negative step, through the first row.
func (p *stmtParser) slice() (lo, hi, step int) {
	lo = p.number()
	p.expect(':')
	if p.accept(':') {
		if !p.peek('-') {
			p.fail("a negative step")
		}
		return lo, -1, p.number()
	}
	if p.peek('-') { // text that would not print as it was read
		p.fail("a row")
	}
	hi = p.number()
	if p.accept(':') {
		if step = p.number(); step == 0 || step == 1 {
			p.fail("another step than 0 and 1")
		}
	}
	return lo, hi, step
}

// expr is one term, or a sum of several.
func (p *stmtParser) expr(depth int) Expr {
	if depth > maxDepth {
		p.fail(fmt.Sprintf("at most %d nested expressions", maxDepth))
		return Expr{}
	}
	paren := p.peek('(')
	first := p.term(depth)
	if !p.peek('+') {
		if paren { // which would not be printed
			p.fail(`"+"`)
		}
		return first
	}
	sum := Add(first)
	for p.accept('+') {
		sum.Args = append(sum.Args, p.term(depth))
	}
	return sum
}

// term is a part of a sum. Only another sum stands in parentheses.
func (p *stmtParser) term(depth int) Expr {
	if p.accept('(') {
		e := p.expr(depth + 1)
		if e.Op != OpAdd {
			p.fail("a sum in parentheses")
		}
		p.expect(')')
		return e
	}
	name := p.name()
	if p.accept('[') {
		e := Expr{Name: name}
		e.Lo, e.Hi, e.Step = p.slice()
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
