package worker

import (
	"bytes"
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
//	%6 = flip %5                 the last row first
//	%7 = add %5 %6               cell by cell; two values or more
//	new t.1 %5                   a storage of its own, which is what t names from here
//	write x 0 2 1 %3             rows 0 and 1 of storage x
//	scatter x [3, 0] %3          row 3, then row 0
//	mask x 1010 %3               a digit for each row of storage x: rows 0 and 2
//	addto x 0 2 1 %3             adds to rows, as write writes them
//	return return1 %3            the first returned value; or reshape, transpose
//
// A step may be negative: read x 4 3 -2 is rows 4, 2 and 0.
// A value is what it was when its line ran: a later write changes no value.
func irText(p inplace.Program) string {
	w := &irWriter{names: map[string]rowsOf{}, rows: map[string]int{}}
	for _, b := range p.Buffers {
		w.names[b.Name], w.rows[b.Name] = rowsOf{b.Name, 0, b.Rows, 1}, b.Rows
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

// slice is n rows of them, the first one lo, step apart; 0 is a step of 1.
func (r rowsOf) slice(lo, n, step int) rowsOf {
	if step == 0 || n < 2 {
		step = 1
	}
	return rowsOf{r.storage, r.first + lo*r.step, n, r.step * step}
}

func (r rowsOf) String() string {
	return fmt.Sprintf("%s %d %d %d", r.storage, r.first, r.rows, r.step)
}

type irWriter struct {
	text     strings.Builder
	names    map[string]rowsOf
	rows     map[string]int // of each storage
	values   int
	storages int
	returned int
}

func (w *irWriter) line(format string, args ...any) { fmt.Fprintf(&w.text, format+"\n", args...) }

func (w *irWriter) statement(s inplace.Stmt) {
	if s.Define && s.Src.Op == inplace.OpView {
		w.names[s.Dst] = w.view(s.Src.Name, s.Src.Lo, s.Src.Rows(), s.Src.Step)
		return
	}
	v, rows := w.value(s.Src)
	switch {
	case s.Form != inplace.NotReturned:
		w.line("%s %s %s", returnOps[s.Form], inplace.ReturnName(w.returned), v)
		w.returned++
	case s.Define:
		w.storages++
		to := rowsOf{fmt.Sprintf("%s.%d", s.Dst, w.storages), 0, rows, 1}
		w.line("new %s %s", to.storage, v)
		w.names[s.Dst], w.rows[to.storage] = to, rows
	case s.Mask != nil:
		w.mask(w.names[s.Dst], s, v)
	case s.Index != nil:
		to := w.names[s.Dst]
		at := make([]int, len(s.Index))
		for i, row := range s.Index {
			at[i] = to.first + row*to.step
		}
		w.line("scatter %s %s %s", to.storage, pyList(at), v)
	default:
		op := "write"
		if s.Add {
			op = "addto"
		}
		w.line("%s %s %s", op, w.view(s.Dst, s.Lo, s.Rows(), s.Step), v)
	}
}

// returnOps are the words for the forms of what is returned.
var returnOps = map[inplace.Form]string{inplace.Plain: "return", inplace.Reshaped: "reshape", inplace.Transposed: "transpose"}

// view is rows of a name.
func (w *irWriter) view(name string, lo int, rows []int, step int) rowsOf {
	return w.names[name].slice(lo, len(rows), step)
}

// mask writes an assignment by a mask of what a name stands for: a mask of its storage,
// whose rows ascend.
func (w *irWriter) mask(of rowsOf, s inplace.Stmt, v string) {
	digits := bytes.Repeat([]byte("0"), w.rows[of.storage])
	for _, row := range s.Rows() {
		digits[of.first+row*of.step] = '1'
	}
	if of.step < 0 {
		flipped := w.next()
		w.line("%s = flip %s", flipped, v)
		v = flipped
	}
	w.line("mask %s %s %s", of.storage, digits, v)
}

// next is the name of a new value.
func (w *irWriter) next() string {
	w.values++
	return fmt.Sprintf("%%%d", w.values-1)
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
	name = w.next()
	switch e.Op {
	case inplace.OpView:
		r := w.view(e.Name, e.Lo, e.Rows(), e.Step)
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
	case inplace.OpFlip:
		w.line("%s = flip %s", name, args[0])
	case inplace.OpAdd:
		w.line("%s = add %s", name, strings.Join(args, " "))
	default:
		w.line("%s = clone %s", name, args[0])
	}
	return name, n[0]
}
