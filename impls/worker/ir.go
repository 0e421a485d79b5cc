package worker

import (
	"fmt"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// programText is a program as a case file has it: its buffers, then its statements.
func programText(p inplace.Program) string {
	var b strings.Builder
	for _, x := range p.Buffers {
		fmt.Fprintf(&b, "buffer %s %d\n", x.Name, x.Rows)
	}
	return b.String() + lines(p)
}

// irText is a program for frameworks without views: every name is resolved to the
// storage that it stands for, and every value has a number. A line is one of
//
//	%0 = read x 2 3 1            rows 2, 3 and 4 of storage x: first, how many, step
//	%1 = roll %0 -1              row i goes to row i-1, modulo the rows
//	%2 = cat %0 %1
//	%3 = gather %2 [5, 0]
//	%4 = index_copy %2 [0, 1] %3 %2 with its rows 0 and 1 replaced
//	%5 = clone %4
//	new t.1 %5                   a storage of its own, which is what t names from here
//	write x 0 2 1 %3             rows 0 and 1 of storage x
//	scatter x [3, 0] %3          row 3, then row 0
//
// A value is what it was when its line ran: a later write changes no value.
func irText(p inplace.Program) string {
	w := &irWriter{names: map[string]rowsOf{}}
	for _, b := range p.Buffers {
		w.names[b.Name] = rowsOf{b.Name, 0, b.Rows, 1}
	}
	for _, s := range p.Stmts {
		w.statement(s)
	}
	return strings.TrimSuffix(w.text.String(), "\n")
}

// rowsOf is what a name stands for: rows first, first+step … of a storage.
type rowsOf struct {
	storage           string
	first, rows, step int
}

// slice is rows lo to hi-1 of them.
func (r rowsOf) slice(lo, hi int) rowsOf {
	return rowsOf{r.storage, r.first + lo*r.step, hi - lo, r.step}
}

func (r rowsOf) String() string {
	return fmt.Sprintf("%s %d %d %d", r.storage, r.first, r.rows, r.step)
}

type irWriter struct {
	text     strings.Builder
	names    map[string]rowsOf
	values   int
	storages int
}

func (w *irWriter) line(format string, args ...any) { fmt.Fprintf(&w.text, format+"\n", args...) }

func (w *irWriter) statement(s inplace.Stmt) {
	if s.Define && s.Src.Op == inplace.OpView {
		w.names[s.Dst] = w.names[s.Src.Name].slice(s.Src.Lo, s.Src.Hi)
		return
	}
	v, rows := w.value(s.Src)
	switch {
	case s.Define:
		w.storages++
		to := rowsOf{fmt.Sprintf("%s.%d", s.Dst, w.storages), 0, rows, 1}
		w.line("new %s %s", to.storage, v)
		w.names[s.Dst] = to
	case s.Index != nil:
		to := w.names[s.Dst]
		at := make([]int, len(s.Index))
		for i, row := range s.Index {
			at[i] = to.first + row*to.step
		}
		w.line("scatter %s %s %s", to.storage, pyList(at), v)
	default:
		w.line("write %s %s", w.names[s.Dst].slice(s.Lo, s.Hi), v)
	}
}

// value writes the lines of an expression and says which value it is, and of how
// many rows.
func (w *irWriter) value(e inplace.Expr) (name string, rows int) {
	args, n := make([]string, len(e.Args)), make([]int, len(e.Args))
	sum := 0
	for i, a := range e.Args {
		args[i], n[i] = w.value(a)
		sum += n[i]
	}
	name = fmt.Sprintf("%%%d", w.values)
	w.values++
	switch e.Op {
	case inplace.OpView:
		r := w.names[e.Name].slice(e.Lo, e.Hi)
		w.line("%s = read %s", name, r)
		return name, r.rows
	case inplace.OpCat:
		w.line("%s = cat %s", name, strings.Join(args, " "))
		return name, sum
	case inplace.OpRoll:
		w.line("%s = roll %s %d", name, args[0], e.K)
	case inplace.OpGather:
		w.line("%s = gather %s %s", name, args[0], pyList(e.Index))
		return name, len(e.Index)
	case inplace.OpIndexCopy:
		w.line("%s = index_copy %s %s %s", name, args[0], pyList(e.Index), args[1])
	default:
		w.line("%s = clone %s", name, args[0])
	}
	return name, n[0]
}
