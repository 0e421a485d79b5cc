package inplace

import (
	"fmt"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
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
)

var opNames = [...]string{OpView: "view", OpCat: "cat", OpRoll: "roll", OpGather: "gather", OpClone: "clone", OpIndexCopy: "index_copy"}

// Expr is a value of some rows. Every operation works along the rows; lanes
// and elements never mix.
type Expr struct {
	Op     Op
	Name   string // OpView: a buffer or a name defined before
	Lo, Hi int    // OpView: rows Lo to Hi-1
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

// Stmt is one line of a program: a definition `t = e`, an assignment to rows
// `x[lo:hi] = e`, or, with an Index, to rows by an index tensor
// `x[[i, …]] = e`, which is a barrier as IndexCopy is.
type Stmt struct {
	Dst    string
	Define bool
	Lo, Hi int
	Index  []int
	Src    Expr
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

// maxDepth bounds how deep expressions nest, so that hostile text cannot
// exhaust the stack; no update needs more than three.
const maxDepth = 32

// StmtError is a statement of a program, counted from 1, that has no meaning, and
// why.
type StmtError struct {
	Stmt int
	Err  error
}

func (e *StmtError) Error() string { return fmt.Sprintf("statement %d: %v", e.Stmt, e.Err) }

// Unwrap returns the error without the place.
func (e *StmtError) Unwrap() error { return e.Err }

// Check reports the first thing that has no meaning: an unknown name, rows
// out of range, sides of different length, an index that repeats a row. The
// error names the statement, counted from 1.
func (p Program) Check() error {
	rows := map[string]int{}
	for _, b := range p.Buffers {
		if err := checkName(b.Name); err != nil {
			return err
		}
		if _, twice := rows[b.Name]; twice {
			return fmt.Errorf("buffer %s is declared twice", b.Name)
		}
		if b.Rows < 1 || b.Rows > impls.MaxExtent {
			return fmt.Errorf("buffer %s: %d rows is outside 1..%d", b.Name, b.Rows, impls.MaxExtent)
		}
		rows[b.Name] = b.Rows
	}
	for i, s := range p.Stmts {
		if err := p.checkStmt(s, rows); err != nil {
			return &StmtError{i + 1, err}
		}
	}
	return nil
}

func (p Program) checkStmt(s Stmt, rows map[string]int) error {
	n, err := checkExpr(s.Src, rows, 0)
	if err != nil {
		return err
	}
	if s.Define {
		if err := checkName(s.Dst); err != nil {
			return err
		}
		if p.isBuffer(s.Dst) {
			return fmt.Errorf("%s is a buffer: assign to its rows, as in %s[0:%d] = …", s.Dst, s.Dst, rows[s.Dst])
		}
		rows[s.Dst] = n
		return nil
	}
	have, ok := rows[s.Dst]
	if !ok {
		return fmt.Errorf("no buffer or value is called %q", s.Dst)
	}
	if s.Index != nil {
		if err := checkIndex(s.Index, have, true); err != nil {
			return err
		}
		if len(s.Index) != n {
			return fmt.Errorf("%d rows for %d indices", n, len(s.Index))
		}
		return nil
	}
	if s.Lo < 0 || s.Hi < s.Lo || s.Hi > have {
		return fmt.Errorf("rows %d:%d of %s, which has %d", s.Lo, s.Hi, s.Dst, have)
	}
	if s.Hi-s.Lo != n {
		return fmt.Errorf("%d rows assigned to %d", n, s.Hi-s.Lo)
	}
	return nil
}

func (p Program) isBuffer(name string) bool {
	return slices.ContainsFunc(p.Buffers, func(b Buffer) bool { return b.Name == name })
}

func checkName(name string) error {
	for i := range len(name) {
		c := name[i]
		if c != '_' && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (i == 0 || c < '0' || c > '9') {
			return fmt.Errorf("name %q: want letters, digits and _, not a digit first", name)
		}
	}
	if name == "" || slices.Contains(opNames[OpCat:], name) {
		return fmt.Errorf("name %q is not free", name)
	}
	return nil
}

func checkIndex(index []int, rows int, distinct bool) error {
	var seen []bool
	if distinct {
		seen = make([]bool, rows)
	}
	for _, i := range index {
		if i < 0 || i >= rows {
			return fmt.Errorf("index %d of %d rows", i, rows)
		}
		if distinct {
			if seen[i] {
				return fmt.Errorf("index %d twice: which row wins would depend on the order of the blocks", i)
			}
			seen[i] = true
		}
	}
	return nil
}

func checkExpr(e Expr, rows map[string]int, depth int) (int, error) {
	if depth > maxDepth {
		return 0, fmt.Errorf("expression nests deeper than %d", maxDepth)
	}
	if e.Op == OpView {
		have, ok := rows[e.Name]
		if !ok {
			return 0, fmt.Errorf("no buffer or value is called %q", e.Name)
		}
		if e.Lo < 0 || e.Hi < e.Lo || e.Hi > have {
			return 0, fmt.Errorf("rows %d:%d of %s, which has %d", e.Lo, e.Hi, e.Name, have)
		}
		return e.Hi - e.Lo, nil
	}
	want := 1
	if e.Op == OpIndexCopy {
		want = 2
	}
	if len(e.Args) == 0 || e.Op != OpCat && len(e.Args) != want {
		return 0, fmt.Errorf("%s of %d values", opNames[e.Op], len(e.Args))
	}
	n := make([]int, len(e.Args))
	sum := 0
	for i, a := range e.Args {
		var err error
		if n[i], err = checkExpr(a, rows, depth+1); err != nil {
			return 0, err
		}
		sum += n[i]
	}
	if sum > impls.MaxExtent {
		return 0, fmt.Errorf("%d rows is more than %d", sum, impls.MaxExtent)
	}
	switch e.Op {
	case OpCat:
		return sum, nil
	case OpGather:
		return len(e.Index), checkIndex(e.Index, n[0], false)
	case OpIndexCopy:
		if len(e.Index) != n[1] {
			return 0, fmt.Errorf("index_copy: %d rows for %d indices", n[1], len(e.Index))
		}
		return n[0], checkIndex(e.Index, n[0], true)
	}
	return n[0], nil
}
