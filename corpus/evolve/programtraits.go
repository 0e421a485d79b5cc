package evolve

import "github.com/slidefuzz/slidefuzz/impls/inplace"

// program adds what the statements of a program exercise.
func (s *set) program(p *inplace.Program) {
	s.add(ofBuffers, 0, len(p.Buffers))
	s.add(ofBuffers, 1, len(p.Stmts))
	for _, b := range p.Buffers {
		s.add(ofBuffers, 2, bucket(b.Rows))
	}
	read, written := map[string]bool{}, map[string]bool{}
	last := -1
	for _, x := range p.Stmts {
		form := formOf(x)
		head := form<<8 | int(x.Src.Op)
		s.add(ofStmt, form, int(x.Src.Op))
		s.add(ofStmts, last, head)
		last = head
		s.expr(&x.Src, form)
		s.reads(&x.Src, func(e *inplace.Expr) {
			if e.Name == x.Dst && !x.Define {
				s.add(ofReread, form, int(x.Src.Op), clamp(e.Lo-x.Lo), e.Step)
			}
			if written[e.Name] {
				s.add(ofDepends, 0, form, int(x.Src.Op))
			}
		})
		if read[x.Dst] {
			s.add(ofDepends, 1, form, int(x.Src.Op))
		}
		if written[x.Dst] {
			s.add(ofDepends, 2, form, int(x.Src.Op))
		}
		s.reads(&x.Src, func(e *inplace.Expr) { read[e.Name] = true })
		written[x.Dst] = true
	}
}

// clamp bounds how far rows move: what moves by more than three moves far.
func clamp(n int) int { return min(max(n, -4), 4) + 4 }

// formOf numbers the forms of a statement.
func formOf(x inplace.Stmt) int {
	switch {
	case x.Form != inplace.NotReturned:
		return int(x.Form)
	case x.Define:
		return 10
	case x.Mask != nil:
		return 11
	case x.Index != nil:
		return 12
	case x.Add:
		return 13
	}
	return 14
}

// expr adds which operation has which below it.
func (s *set) expr(e *inplace.Expr, form int) {
	for i := range e.Args {
		s.add(ofExpr, int(e.Op), min(i, 2), int(e.Args[i].Op))
		s.add(ofExpr, 100+form, int(e.Op), int(e.Args[i].Op))
		s.expr(&e.Args[i], form)
	}
	switch e.Op {
	case inplace.OpView:
		s.add(ofExpr, 200, e.Step)
	case inplace.OpRoll:
		s.add(ofExpr, 201, clamp(e.K))
	}
}

// reads gives do each view of an expression.
func (s *set) reads(e *inplace.Expr, do func(*inplace.Expr)) {
	if e.Op == inplace.OpView {
		do(e)
	}
	for i := range e.Args {
		s.reads(&e.Args[i], do)
	}
}
