package worker

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// pyTorch prints a program as a Python function of its buffers, which are
// tensors [batch, heads, rows, dim]. It returns what the program returns, as a tuple.
func pyTorch(p inplace.Program, name string) string {
	w := &torchWriter{rows: map[string]int{}, flipped: map[string]bool{}}
	names := make([]string, len(p.Buffers))
	for i, b := range p.Buffers {
		names[i], w.rows[b.Name] = b.Name, b.Rows
	}
	w.line("def %s(%s):", name, strings.Join(names, ", "))
	for _, s := range Cloned(p).Stmts {
		w.statement(s)
	}
	if w.returned > 0 {
		all := make([]string, w.returned)
		for i := range all {
			all[i] = inplace.ReturnName(i)
		}
		w.line("    return %s,", strings.Join(all, ", "))
	}
	return w.text.String()
}

// torchWriter prints statements. PyTorch has no slices with a negative step: a name of
// such a view is one of its rows in ascending order, and flipped says so.
type torchWriter struct {
	text     strings.Builder
	rows     map[string]int // by name
	flipped  map[string]bool
	returned int
}

func (w *torchWriter) line(format string, args ...any) { fmt.Fprintf(&w.text, format+"\n", args...) }

func (w *torchWriter) statement(s inplace.Stmt) {
	value, rows := w.expr(s.Src)
	switch {
	case s.Form != inplace.NotReturned:
		name := inplace.ReturnName(w.returned)
		w.returned++
		switch s.Form {
		case inplace.Reshaped:
			value += ".flatten(2).clone()"
		case inplace.Transposed:
			value += ".transpose(2, 3).clone()"
		}
		w.line("    %s = %s", name, value)
	case s.Define && s.Src.Op == inplace.OpView:
		slice, descending := w.slice(s.Src.Name, s.Src.Rows())
		w.line("    %s = %s[:, :, %s]", s.Dst, s.Src.Name, slice)
		w.rows[s.Dst], w.flipped[s.Dst] = rows, descending
	case s.Define:
		w.line("    %s = %s", s.Dst, value)
		w.rows[s.Dst], w.flipped[s.Dst] = rows, false
	case s.Index != nil:
		w.line("    %s[:, :, %s] = %s", s.Dst, pyList(w.places(s.Dst, s.Index)), value)
	case s.Mask != nil:
		mask := slices.Clone(s.Mask)
		if w.flipped[s.Dst] {
			slices.Reverse(mask)
			value += ".flip(2)"
		}
		w.line("    %s[:, :, %s] = %s", s.Dst, pyMask(mask), value)
	default:
		slice, descending := w.slice(s.Dst, s.Rows())
		if descending {
			value += ".flip(2)"
		}
		how := "="
		if s.Add {
			how = "+="
		}
		w.line("    %s[:, :, %s] %s %s", s.Dst, slice, how, value)
	}
}

// places are rows of a name as PyTorch numbers them.
func (w *torchWriter) places(name string, rows []int) []int {
	if !w.flipped[name] {
		return rows
	}
	all := make([]int, len(rows))
	for i, row := range rows {
		all[i] = w.rows[name] - 1 - row
	}
	return all
}

// slice is rows of a name, one step apart, as a slice that ascends; descending says that
// they are in the other order.
func (w *torchWriter) slice(name string, rows []int) (text string, descending bool) {
	rows = w.places(name, rows)
	if len(rows) == 0 {
		return "0:0", false
	}
	lo, hi, step := rows[0], rows[len(rows)-1], 1
	if len(rows) > 1 {
		step = rows[1] - rows[0]
	}
	if step < 0 {
		lo, hi, step, descending = hi, lo, -step, true
	}
	if text = fmt.Sprintf("%d:%d", lo, hi+1); step > 1 {
		text += fmt.Sprintf(":%d", step)
	}
	return text, descending
}

// expr is an expression as a term that can be called on, and its rows.
func (w *torchWriter) expr(e inplace.Expr) (text string, rows int) {
	if e.Op == inplace.OpView {
		at := e.Rows()
		slice, descending := w.slice(e.Name, at)
		if text = fmt.Sprintf("%s[:, :, %s]", e.Name, slice); descending {
			text += ".flip(2)"
		}
		return text, len(at)
	}
	args, n, sum := make([]string, len(e.Args)), make([]int, len(e.Args)), 0
	for i, a := range e.Args {
		args[i], n[i] = w.expr(a)
		sum += n[i]
	}
	switch e.Op {
	case inplace.OpCat:
		return "torch.cat((" + strings.Join(args, ", ") + ",), 2)", sum
	case inplace.OpRoll:
		return fmt.Sprintf("torch.roll(%s, %d, 2)", args[0], e.K), n[0]
	case inplace.OpGather:
		return fmt.Sprintf("%s[:, :, %s]", args[0], pyList(e.Index)), len(e.Index)
	case inplace.OpIndexCopy:
		return fmt.Sprintf("torch.index_copy(%s, 2, torch.tensor(%s, device=%s.device), %s)", args[0], pyList(e.Index), firstName(e), args[1]), n[0]
	case inplace.OpFlip:
		return args[0] + ".flip(2)", n[0]
	case inplace.OpAdd:
		return "(" + strings.Join(args, " + ") + ")", n[0]
	}
	return args[0] + ".clone()", n[0]
}

// firstName is a tensor of the expression, for its device.
func firstName(e inplace.Expr) string {
	for e.Op != inplace.OpView {
		e = e.Args[0]
	}
	return e.Name
}

func pyList(index []int) string {
	text := make([]string, len(index))
	for i, n := range index {
		text[i] = strconv.Itoa(n)
	}
	return "[" + strings.Join(text, ", ") + "]"
}

func pyMask(mask []bool) string {
	text := make([]string, len(mask))
	for i, set := range mask {
		if text[i] = "False"; set {
			text[i] = "True"
		}
	}
	return "torch.tensor([" + strings.Join(text, ", ") + "])"
}
