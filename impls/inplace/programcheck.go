package inplace

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls"
)

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
	if p.Adds() {
		return p.checkSums()
	}
	return nil
}

func (p Program) checkStmt(s Stmt, rows map[string]int) error {
	n, err := checkExpr(s.Src, rows, 0)
	if err != nil {
		return err
	}
	if s.Form != NotReturned {
		if n == 0 {
			return fmt.Errorf("a value of no rows is returned")
		}
		return nil
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
	switch {
	case s.Index != nil:
		if err := checkIndex(s.Index, have, true); err != nil {
			return err
		}
		if len(s.Index) != n {
			return fmt.Errorf("%d rows for %d indices", n, len(s.Index))
		}
		return nil
	case s.Mask != nil:
		if len(s.Mask) != have {
			return fmt.Errorf("a mask of %d digits for %s, which has %d rows", len(s.Mask), s.Dst, have)
		}
		if set := len(s.Rows()); set != n {
			return fmt.Errorf("%d rows for a mask of %d", n, set)
		}
		return nil
	}
	if err := checkSlice(s.Dst, s.Lo, s.Hi, s.Step, have); err != nil {
		return err
	}
	if to := sliceLen(s.Lo, s.Hi, s.Step); to != n {
		return fmt.Errorf("%d rows assigned to %d", n, to)
	}
	return nil
}

// checkSlice reports a slice that does not lie within the rows of a name. With a
// negative step the end may be -1, before the first row.
func checkSlice(name string, lo, hi, step, have int) error {
	switch {
	case step == 1 || step > impls.MaxExtent || step < -impls.MaxExtent:
		return fmt.Errorf("a step of %d: want another one than 1, at most %d", step, impls.MaxExtent)
	case step >= 0 && (lo < 0 || hi < lo || hi > have), step < 0 && (hi < -1 || lo < hi || lo >= have):
		return fmt.Errorf("rows %s of %s, which has %d", sliceText(lo, hi, step), name, have)
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
	// What is returned is called return1, return2 …
	if name == "" || slices.Contains(opNames[OpCat:], name) || slices.Contains(formNames[:], name) || strings.HasPrefix(name, formNames[Plain]) {
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
		return sliceLen(e.Lo, e.Hi, e.Step), checkSlice(e.Name, e.Lo, e.Hi, e.Step, have)
	}
	want := 1
	if e.Op == OpIndexCopy {
		want = 2
	}
	if len(e.Args) == 0 || e.Op != OpCat && e.Op != OpAdd && len(e.Args) != want || e.Op == OpAdd && len(e.Args) < 2 {
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
	case OpAdd:
		for _, rows := range n {
			if rows != n[0] {
				return 0, fmt.Errorf("%d rows are added to %d", rows, n[0])
			}
		}
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
