package shrink

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// dropStmts removes statements, and buffers that nothing uses any more.
func (s *shrinker) dropStmts(ctx context.Context) {
	for i := 0; i < len(s.best.Program.Stmts); {
		c := s.best.Clone()
		c.Program.Stmts = slices.Delete(c.Program.Stmts, i, i+1)
		if !s.tryAny(ctx, c) {
			i++
		}
	}
	for i := 0; i < len(s.best.Program.Buffers) && len(s.best.Program.Buffers) > 1; {
		c := s.best.Clone()
		c.Program.Buffers = slices.Delete(c.Program.Buffers, i, i+1)
		if !s.tryAny(ctx, c) {
			i++
		}
	}
}

// inlineStmts drops a definition and puts its rows in the place of its name.
func (s *shrinker) inlineStmts(ctx context.Context) {
	for i := 0; i < len(s.best.Program.Stmts); {
		c := s.best.Clone()
		if st := c.Program.Stmts[i]; st.Define {
			c.Program.Stmts = slices.Delete(c.Program.Stmts, i, i+1)
			for k := i; k < len(c.Program.Stmts); k++ {
				x := &c.Program.Stmts[k]
				x.Src = inlined(x.Src, st)
				if x.Dst != st.Dst {
					continue
				}
				if x.Define { // another one of this name
					break
				}
				if st.Src.Op != inplace.OpView {
					continue // which has nothing to write to
				}
				c.Program.Stmts[k] = through(*x, st.Src, c.Program.Buffers)
			}
			if s.tryAny(ctx, c) {
				continue
			}
		}
		i++
	}
}

// bufferStmts drops a definition and makes its name a buffer of as many rows: what is wrong
// with a value that the program makes may be so with any.
func (s *shrinker) bufferStmts(ctx context.Context) {
	for i := 0; i < len(s.best.Program.Stmts); {
		c := s.best.Clone()
		if !c.Program.Stmts[i].Define {
			i++
			continue
		}
		if c.Program = buffered(c.Program, i); !s.tryAny(ctx, c) {
			i++
		}
	}
}

// buffered is a program with a buffer in the place of what its statement i defines: under
// another name, if that one is defined more than once.
func buffered(p inplace.Program, i int) inplace.Program {
	def := p.Stmts[i]
	value := inplace.Program{Buffers: p.Buffers, Stmts: append(slices.Clone(p.Stmts[:i]), inplace.Return(inplace.Plain, def.Src))}.Returns()
	b := inplace.Buffer{Name: def.Dst, Rows: value[len(value)-1].Rows}
	p.Stmts = slices.Delete(slices.Clone(p.Stmts), i, i+1)
	defines := func(st inplace.Stmt) bool { return st.Define && st.Dst == b.Name }
	for n := 2; slices.ContainsFunc(p.Stmts, defines) || slices.ContainsFunc(p.Buffers, func(x inplace.Buffer) bool { return x.Name == b.Name }); n++ {
		b.Name = fmt.Sprintf("%s%d", def.Dst, n)
	}
	for k := i; k < len(p.Stmts); k++ {
		st := &p.Stmts[k]
		if st.Src = renamed(st.Src, def.Dst, b.Name); st.Dst != def.Dst {
			continue
		}
		if st.Define { // another one of this name
			break
		}
		st.Dst = b.Name
	}
	p.Buffers = append(slices.Clone(p.Buffers), b)
	return p
}

// renamed is e with every view of a name one of another.
func renamed(e inplace.Expr, name, to string) inplace.Expr {
	if e.Op == inplace.OpView {
		if e.Name == name {
			e.Name = to
		}
		return e
	}
	e.Args = slices.Clone(e.Args)
	for i := range e.Args {
		e.Args[i] = renamed(e.Args[i], name, to)
	}
	return e
}

// through is an assignment to a name that is a view as one to what it views. A mask is
// one of a buffer that is viewed in ascending order, else the rows become an index.
func through(x inplace.Stmt, view inplace.Expr, buffers []inplace.Buffer) inplace.Stmt {
	x.Dst = view.Name
	step := cmp.Or(view.Step, 1)
	if x.Index == nil && x.Mask == nil {
		x.Lo, x.Hi, x.Step = slice(view.Lo+x.Lo*step, len(x.Rows()), cmp.Or(x.Step, 1)*step)
		return x
	}
	rows := slices.Clone(x.Rows())
	for i := range rows {
		rows[i] = view.Lo + rows[i]*step
	}
	at := slices.IndexFunc(buffers, func(b inplace.Buffer) bool { return b.Name == view.Name })
	if x.Mask == nil || step < 0 || at < 0 {
		x.Index, x.Mask = rows, nil
		return x
	}
	x.Mask = make([]bool, buffers[at].Rows)
	for _, row := range rows {
		if row >= len(x.Mask) { // without meaning: Case.Check finds it
			break
		}
		x.Mask[row] = true
	}
	return x
}

// slice is n rows, the first one first, then each a step on, as views and assignments
// say them: of fewer than two rows no step is seen.
func slice(first, n, step int) (lo, hi, by int) {
	switch span := (n - 1) * step; {
	case n < 2 || step == 0 || step == 1:
		return first, first + n, 0
	case step > 0:
		return first, first + span + 1, step
	default:
		return first, first + span - 1, step
	}
}

// part is n rows of a view, from its k-th on.
func part(e inplace.Expr, k, n int) inplace.Expr {
	e.Lo, e.Hi, e.Step = slice(e.Lo+k*cmp.Or(e.Step, 1), n, e.Step)
	return e
}

// lower is a view whose rows are all one lower.
func lower(e inplace.Expr) inplace.Expr {
	n := len(e.Rows())
	e.Lo--
	return part(e, 0, n)
}

// inlined is e with what def defines in the place of its name: rows of a view,
// or a whole expression. What is left of the name has no meaning, which
// Case.Check finds.
func inlined(e inplace.Expr, def inplace.Stmt) inplace.Expr {
	if e.Op == inplace.OpView {
		switch {
		case e.Name != def.Dst:
		case def.Src.Op == inplace.OpView:
			step := cmp.Or(def.Src.Step, 1)
			n := len(e.Rows())
			e.Name = def.Src.Name
			e.Lo, e.Hi, e.Step = slice(def.Src.Lo+e.Lo*step, n, cmp.Or(e.Step, 1)*step)
		case e.Lo == 0:
			return def.Src
		}
		return e
	}
	e.Args = slices.Clone(e.Args)
	for i := range e.Args {
		e.Args[i] = inlined(e.Args[i], def)
	}
	return e
}

// simplifyStmts puts a part of an expression, or a plain view, in its place.
func (s *shrinker) simplifyStmts(ctx context.Context) {
	for i := 0; i < len(s.best.Program.Stmts); i++ {
		for again := true; again && !s.stats.Bounded; {
			again = false
			for _, st := range simplerStmts(s.best.Program.Stmts[i]) {
				c := s.best.Clone()
				c.Program.Stmts[i] = st
				if s.tryAny(ctx, c) {
					again = true
					break
				}
			}
		}
	}
}

// simplerStmts are the statements one step simpler.
func simplerStmts(st inplace.Stmt) []inplace.Stmt {
	var all []inplace.Stmt
	for _, e := range simplerExprs(st.Src) {
		x := st
		x.Src = e
		all = append(all, x)
	}
	if st.Form > inplace.Plain {
		all = append(all, inplace.Return(inplace.Plain, st.Src))
	}
	if st.Form != inplace.NotReturned {
		x := st
		x.Src = fewer(st.Src, false)
		return append(all, x)
	}
	if rows := st.Rows(); !st.Define && st.Index == nil && (st.Add || st.Step != 0 || st.Mask != nil) && len(rows) > 0 {
		// Plain rows from the same first one on.
		all = append(all, inplace.Assign(st.Dst, min(rows[0], rows[len(rows)-1]), min(rows[0], rows[len(rows)-1])+len(rows), st.Src))
	}
	if st.Index != nil {
		// The last one goes with its statement: a compiler has a path of its
		// own for what writes nothing, and the fault would slip to that.
		for k := 0; k < len(st.Index) && len(st.Index) > 1; k++ {
			x := st
			x.Index = slices.Delete(slices.Clone(st.Index), k, k+1)
			x.Src = fewer(st.Src, false)
			all = append(all, x)
		}
		all = append(all, lowered(st)) // then each alone
		for k := range st.Index {
			x := st
			x.Index = slices.Clone(st.Index)
			x.Index[k]--
			all = append(all, x)
		}
		return all
	}
	if st.Define && st.Src.Op == inplace.OpView {
		x := st
		x.Src = fewer(st.Src, false)
		all = append(all, x)
	}
	rows := st.Rows()
	if !st.Define && lowest(st.Lo, rows) > 0 {
		all = append(all, lowered(st))
	}
	if n := len(rows); !st.Define && n > 1 {
		for _, front := range [...]bool{true, false} {
			x := st
			x.Src = fewer(st.Src, front)
			switch {
			case st.Mask != nil && front:
				x.Mask = without(st.Mask, rows[0])
			case st.Mask != nil:
				x.Mask = without(st.Mask, rows[n-1])
			case front:
				x.Lo, x.Hi, x.Step = slice(rows[1], n-1, st.Step)
			default:
				x.Lo, x.Hi, x.Step = slice(rows[0], n-1, st.Step)
			}
			all = append(all, x)
		}
	}
	return all
}

// lowest is the lowest of some rows, or where they would begin if there are none.
func lowest(lo int, rows []int) int {
	if len(rows) == 0 {
		return lo
	}
	return slices.Min(rows)
}

// without is a mask that leaves a row out.
func without(mask []bool, row int) []bool {
	mask = slices.Clone(mask)
	mask[row] = false
	return mask
}

// lowered is an assignment to rows that are all one lower.
func lowered(st inplace.Stmt) inplace.Stmt {
	switch {
	case st.Index != nil:
		st.Index = slices.Clone(st.Index)
		for i := range st.Index {
			st.Index[i]--
		}
	case st.Mask != nil: // as long as it was: its name has as many rows
		st.Mask = append(slices.Clone(st.Mask[1:]), false)
	default:
		st.Lo, st.Hi, st.Step = slice(st.Lo-1, len(st.Rows()), st.Step)
	}
	return st
}

// simplerExprs puts each part in the place of the whole, where it has as many
// rows, and simplifies within. Candidates that have no meaning are weeded out
// by Case.Check.
func simplerExprs(e inplace.Expr) []inplace.Expr {
	all := slices.Clone(e.Args)
	for i := range e.Args {
		for _, a := range simplerExprs(e.Args[i]) {
			x := e
			x.Args = slices.Clone(e.Args)
			x.Args[i] = a
			all = append(all, x)
		}
	}
	switch e.Op {
	case inplace.OpView:
		if n := len(e.Rows()); e.Step != 0 {
			lo := min(e.Lo, e.Lo+(n-1)*e.Step)
			all = append(all, inplace.View(e.Name, lo, lo+n))
		}
		if lowest(e.Lo, e.Rows()) > 0 {
			all = append(all, lower(e))
		}
	case inplace.OpCat:
		// Two views in a row that could be one.
		if len(e.Args) == 2 && e.Args[0].Op == inplace.OpView && e.Args[1].Op == inplace.OpView {
			all = append(all, part(e.Args[0], 0, len(e.Args[0].Rows())+len(e.Args[1].Rows())))
		}
	case inplace.OpRoll:
		for _, k := range [...]int{0, 1, -1} {
			x := e
			x.K = k
			all = append(all, x)
		}
	case inplace.OpGather:
		if a := e.Args[0]; a.Op == inplace.OpView && len(a.Rows()) >= len(e.Index) {
			all = append(all, part(a, 0, len(e.Index)))
		}
	case inplace.OpIndexCopy:
		for k := 0; k < len(e.Index) && len(e.Index) > 1; k++ {
			x := inplace.IndexCopy(e.Args[0], slices.Delete(slices.Clone(e.Index), k, k+1), fewer(e.Args[1], false))
			all = append(all, x)
		}
	}
	return all
}

// fewer is an expression with one row less, from the front or from the back.
func fewer(e inplace.Expr, front bool) inplace.Expr {
	e.Args = slices.Clone(e.Args)
	switch e.Op {
	case inplace.OpView:
		n := len(e.Rows())
		if n == 0 { // there is none: without meaning, which Case.Check finds
			e.Hi, e.Step = e.Lo-1, 0
			return e
		}
		if front {
			return part(e, 1, n-1)
		}
		return part(e, 0, n-1)
	case inplace.OpCat:
		i := len(e.Args) - 1
		if front {
			i = 0
		}
		if a := e.Args[i]; a.Op == inplace.OpView && len(a.Rows()) == 1 && len(e.Args) > 1 {
			e.Args = slices.Delete(e.Args, i, i+1)
			if len(e.Args) == 1 {
				return e.Args[0]
			}
			return e
		}
		e.Args[i] = fewer(e.Args[i], front)
	case inplace.OpGather:
		if front && len(e.Index) > 0 {
			e.Index = e.Index[1:]
		} else if len(e.Index) > 0 {
			e.Index = e.Index[:len(e.Index)-1]
		}
	case inplace.OpAdd:
		for i := range e.Args {
			e.Args[i] = fewer(e.Args[i], front)
		}
	default:
		e.Args[0] = fewer(e.Args[0], front)
	}
	return e
}

// shrinkRows cuts the rows of buffers that nothing reaches, and moves the
// whole program one row down where nothing needs the first.
func (s *shrinker) shrinkRows(ctx context.Context) {
	for i := range s.best.Program.Buffers {
		name := s.best.Program.Buffers[i].Name
		for _, n := range corpus.Less(1, s.best.Program.Buffers[i].Rows) {
			c := s.best.Clone()
			c.Program.Buffers[i].Rows = n
			for k, st := range c.Program.Stmts {
				if st.Dst == name && len(st.Mask) > n {
					c.Program.Stmts[k].Mask = slices.Clone(st.Mask[:n])
				}
			}
			if s.tryAny(ctx, c) {
				break
			}
		}
		for s.best.Program.Buffers[i].Rows > 1 && !s.stats.Bounded {
			c := s.best.Clone()
			c.Program.Buffers[i].Rows--
			for k, st := range c.Program.Stmts {
				if st.Dst == name && !st.Define && st.Form == inplace.NotReturned {
					if st = lowered(st); st.Mask != nil {
						st.Mask = st.Mask[:len(st.Mask)-1]
					}
				}
				st.Src = moved(st.Src, name)
				c.Program.Stmts[k] = st
			}
			if !s.tryAny(ctx, c) {
				break
			}
		}
	}
}

// moved is e with every view of name one row lower.
func moved(e inplace.Expr, name string) inplace.Expr {
	if e.Op == inplace.OpView {
		if e.Name == name {
			return lower(e)
		}
		return e
	}
	e.Args = slices.Clone(e.Args)
	for i := range e.Args {
		e.Args[i] = moved(e.Args[i], name)
	}
	return e
}
