package inplace

import (
	"fmt"
	"slices"
)

// Op is what an expression does.
type Op uint8

// The operations. A view shares memory with what it views; the others make a
// fresh value. All but IndexCopy can be fused into the kernel that uses them.
const (
	OpView Op = iota
	OpCat
	OpRoll
	OpGather
	OpClone
	OpIndexCopy
	OpFlip
	OpAdd
)

// opNames are their words in text; a sum is written with + between its parts.
var opNames = [...]string{OpView: "view", OpCat: "cat", OpRoll: "roll", OpGather: "gather", OpClone: "clone", OpIndexCopy: "index_copy", OpFlip: "flip", OpAdd: "+"}

// Expr is a value of some rows. Every operation works along the rows; lanes
// and elements never mix.
type Expr struct {
	Op     Op
	Name   string // OpView: a buffer or a name defined before
	Lo, Hi int    // OpView: rows Lo to Hi-1, or what Step says
	Step   int    // OpView: rows Lo, Lo+Step … before Hi; 0 is a step of 1
	Args   []Expr // the other operations; OpIndexCopy: base, source
	K      int    // OpRoll: row i goes to row i+K, modulo the rows
	Index  []int  // OpGather: rows to take; OpIndexCopy: rows to write
}

// View is rows lo to hi-1 of a buffer or of a name defined before.
func View(name string, lo, hi int) Expr { return Expr{Op: OpView, Name: name, Lo: lo, Hi: hi} }

// Cat is the rows of each part, one after the other.
func Cat(parts ...Expr) Expr { return Expr{Op: OpCat, Args: parts} }

// Roll moves row i to row i+k, modulo the number of rows, as torch.roll does.
func Roll(e Expr, k int) Expr { return Expr{Op: OpRoll, Args: []Expr{e}, K: k} }

// Gather is rows index[0], index[1], … of e.
func Gather(e Expr, index []int) Expr { return Expr{Op: OpGather, Args: []Expr{e}, Index: index} }

// Clone is a copy of e.
func Clone(e Expr) Expr { return Expr{Op: OpClone, Args: []Expr{e}} }

// IndexCopy is base with row index[i] replaced by row i of src. It is a
// barrier to fusion: base, src and the result are real buffers.
func IndexCopy(base Expr, index []int, src Expr) Expr {
	return Expr{Op: OpIndexCopy, Args: []Expr{base, src}, Index: index}
}

// Flip is the rows of e, the last one first.
func Flip(e Expr) Expr { return Expr{Op: OpFlip, Args: []Expr{e}} }

// Add is the sum of the parts, row by row and cell by cell.
func Add(parts ...Expr) Expr { return Expr{Op: OpAdd, Args: parts} }

// Rows lists the rows of a view, in its order.
func (e Expr) Rows() []int { return sliceRows(e.Lo, e.Hi, e.Step) }

// Form is how a returned value is laid out.
type Form uint8

// The forms of a returned value: none for other statements; rows, as a buffer has them;
// all rows of a lane in one; rows and elements exchanged.
const (
	NotReturned Form = iota
	Plain
	Reshaped
	Transposed
)

var formNames = [...]string{Plain: "return", Reshaped: "reshape", Transposed: "transpose"}

// Stmt is one line of a program: a definition `t = e`; an assignment to rows
// `x[lo:hi] = e`, with a step `x[lo:hi:step] = e`, or adding to them `x[lo:hi] += e`;
// with an Index to rows by an index tensor `x[[i, …]] = e`, which is a barrier as
// IndexCopy is; with a Mask, a digit for each row, `x[mask 1011] = e`; or a value that
// is returned, `return e`, `return reshape(e)`, `return transpose(e)`. What is
// returned is a fresh value, fixed at that line.
type Stmt struct {
	Dst    string
	Define bool
	Lo, Hi int
	Step   int // 0 is a step of 1
	Index  []int
	Mask   []bool
	Add    bool
	Form   Form // of what is returned
	Src    Expr
}

// Return returns the value of e in a form.
func Return(form Form, e Expr) Stmt { return Stmt{Form: form, Src: e} }

// AssignMask copies row i of e into the row of name whose mask is the i-th that is set.
func AssignMask(name string, mask []bool, e Expr) Stmt { return Stmt{Dst: name, Mask: mask, Src: e} }

// AddTo adds e to rows lo to hi-1 of name.
func AddTo(name string, lo, hi int, e Expr) Stmt {
	return Stmt{Dst: name, Lo: lo, Hi: hi, Add: true, Src: e}
}

// Rows lists the rows of Dst that an assignment writes, in the order of the rows of Src.
func (s Stmt) Rows() []int {
	switch {
	case s.Index != nil:
		return s.Index
	case s.Mask != nil:
		rows := []int{}
		for i, set := range s.Mask {
			if set {
				rows = append(rows, i)
			}
		}
		return rows
	}
	return sliceRows(s.Lo, s.Hi, s.Step)
}

// sliceRows lists rows lo, lo+step … before hi; a step of 0 is one of 1.
func sliceRows(lo, hi, step int) []int {
	n := sliceLen(lo, hi, step)
	if step == 0 {
		step = 1
	}
	rows := make([]int, n)
	for i := range rows {
		rows[i] = lo + i*step
	}
	return rows
}

func sliceLen(lo, hi, step int) int {
	switch {
	case step == 0:
		return max(0, hi-lo)
	case step > 0:
		return max(0, (hi-lo+step-1)/step)
	}
	return max(0, (lo-hi-step-1)/-step)
}

// Define names the value of e. The name of a view is an alias.
func Define(name string, e Expr) Stmt { return Stmt{Dst: name, Define: true, Src: e} }

// Assign copies e into rows lo to hi-1 of name.
func Assign(name string, lo, hi int, e Expr) Stmt { return Stmt{Dst: name, Lo: lo, Hi: hi, Src: e} }

// AssignIndex copies row i of e into row index[i] of name.
func AssignIndex(name string, index []int, e Expr) Stmt {
	return Stmt{Dst: name, Index: index, Src: e}
}

// Buffer is memory of Rows rows that a program starts with.
type Buffer struct {
	Name string
	Rows int
}

// Program is an update: assignments between views of buffers, in order. Under
// value semantics every right-hand side is read whole before anything is
// written.
type Program struct {
	Buffers []Buffer
	Stmts   []Stmt
}

// Returned is a value that a program returns.
type Returned struct {
	Stmt int // the statement, counted from 0
	Rows int
	Form Form
}

// Returns lists what a checked program returns, in order.
func (p Program) Returns() []Returned {
	var all []Returned
	rows := map[string]int{}
	for _, b := range p.Buffers {
		rows[b.Name] = b.Rows
	}
	for i, s := range p.Stmts {
		if !s.Define && s.Form == NotReturned {
			continue
		}
		n, err := checkExpr(s.Src, rows, 0)
		if err != nil {
			panic("inplace: a program that was not checked: " + err.Error())
		}
		if s.Define {
			rows[s.Dst] = n
		} else {
			all = append(all, Returned{i, n, s.Form})
		}
	}
	return all
}

// ReturnName is what the n-th value that a program returns, from 0, is called in cases
// and messages.
func ReturnName(n int) string { return fmt.Sprintf("%s%d", formNames[Plain], n+1) }

// Target is the name of what a statement, by its index, writes: its own, or that of
// what it returns.
func (p Program) Target(stmt int) string {
	if p.Stmts[stmt].Form == NotReturned {
		return p.Stmts[stmt].Dst
	}
	n := 0
	for _, s := range p.Stmts[:stmt] {
		if s.Form != NotReturned {
			n++
		}
	}
	return ReturnName(n)
}

// Grammar is the number of the grammar that a program needs: 2 where it has a flip, a
// slice with a step, a mask, a sum or a return, else 1.
func (p Program) Grammar() int {
	for i := range p.Stmts {
		if s := &p.Stmts[i]; s.Step != 0 || s.Mask != nil || s.Add || s.Form != NotReturned || s.Src.wide() {
			return 2
		}
	}
	return 1
}

func (e Expr) wide() bool {
	return e.Step != 0 || e.Op == OpFlip || e.Op == OpAdd || slices.ContainsFunc(e.Args, Expr.wide)
}

// Adds reports whether a program has a sum: it starts from cells that add exactly.
func (p Program) Adds() bool {
	return slices.ContainsFunc(p.Stmts, func(s Stmt) bool { return s.Add || s.Src.has(OpAdd) })
}

// has reports whether an expression contains an operation.
func (e Expr) has(op Op) bool {
	return e.Op == op || slices.ContainsFunc(e.Args, func(a Expr) bool { return a.has(op) })
}
