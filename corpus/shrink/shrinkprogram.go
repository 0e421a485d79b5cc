package shrink

import (
	"context"
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
				x.Dst = st.Src.Name
				x.Index = slices.Clone(x.Index)
				for j := range x.Index {
					x.Index[j] += st.Src.Lo
				}
				if x.Index == nil {
					x.Lo, x.Hi = x.Lo+st.Src.Lo, x.Hi+st.Src.Lo
				}
			}
			if s.tryAny(ctx, c) {
				continue
			}
		}
		i++
	}
}

// inlined is e with what def defines in the place of its name: rows of a view,
// or a whole expression. What is left of the name has no meaning, which
// Case.Check finds.
func inlined(e inplace.Expr, def inplace.Stmt) inplace.Expr {
	if e.Op == inplace.OpView {
		switch {
		case e.Name != def.Dst:
		case def.Src.Op == inplace.OpView:
			e.Name, e.Lo, e.Hi = def.Src.Name, e.Lo+def.Src.Lo, e.Hi+def.Src.Lo
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
		lower := st // all rows one lower, then each
		lower.Index = slices.Clone(st.Index)
		for k := range lower.Index {
			lower.Index[k]--
		}
		all = append(all, lower)
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
	if !st.Define && st.Lo > 0 {
		x := st
		x.Lo, x.Hi = x.Lo-1, x.Hi-1
		all = append(all, x)
	}
	if n := st.Hi - st.Lo; !st.Define && n > 1 {
		for _, front := range [...]bool{true, false} {
			x := st
			x.Src = fewer(st.Src, front)
			if front {
				x.Lo++
			} else {
				x.Hi--
			}
			all = append(all, x)
		}
	}
	return all
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
		if e.Lo > 0 {
			x := e
			x.Lo, x.Hi = x.Lo-1, x.Hi-1
			all = append(all, x)
		}
	case inplace.OpCat:
		// Two views in a row that could be one.
		if len(e.Args) == 2 && e.Args[0].Op == inplace.OpView && e.Args[1].Op == inplace.OpView {
			n := e.Args[1].Hi - e.Args[1].Lo
			x := e.Args[0]
			x.Hi += n
			all = append(all, x)
		}
	case inplace.OpRoll:
		for _, k := range [...]int{0, 1, -1} {
			x := e
			x.K = k
			all = append(all, x)
		}
	case inplace.OpGather:
		if a := e.Args[0]; a.Op == inplace.OpView && a.Hi-a.Lo >= len(e.Index) {
			a.Hi = a.Lo + len(e.Index)
			all = append(all, a)
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
		if front {
			e.Lo++
		} else {
			e.Hi--
		}
	case inplace.OpCat:
		i := len(e.Args) - 1
		if front {
			i = 0
		}
		if a := e.Args[i]; a.Op == inplace.OpView && a.Hi-a.Lo == 1 && len(e.Args) > 1 {
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
			if s.tryAny(ctx, c) {
				break
			}
		}
		for s.best.Program.Buffers[i].Rows > 1 && !s.stats.Bounded {
			c := s.best.Clone()
			c.Program.Buffers[i].Rows--
			for k, st := range c.Program.Stmts {
				if st.Dst == name && !st.Define {
					if st.Index != nil {
						st.Index = slices.Clone(st.Index)
						for j := range st.Index {
							st.Index[j]--
						}
					} else {
						st.Lo, st.Hi = st.Lo-1, st.Hi-1
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
			e.Lo, e.Hi = e.Lo-1, e.Hi-1
		}
		return e
	}
	e.Args = slices.Clone(e.Args)
	for i := range e.Args {
		e.Args[i] = moved(e.Args[i], name)
	}
	return e
}
