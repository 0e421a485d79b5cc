package corpus

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// Beside is a program that a worker is given in one request with that of a case, after it:
// what a compiler does to several programs together, none of them may show alone. Target,
// block and schedule are the case's.
type Beside struct {
	Shape   impls.Shape
	Program inplace.Program
}

// besideWord begins a program in a file; its shape, buffers and statements follow. It stands
// alone in its line, for readers that do not know it then say so.
const besideWord = "beside"

// BesideError is what is wrong with a program beside that of the case, counted from 1.
type BesideError struct {
	N   int
	Err error
}

func (e *BesideError) Error() string { return fmt.Sprintf("program %d beside it: %v", e.N, e.Err) }

// Unwrap returns the error without the place.
func (e *BesideError) Unwrap() error { return e.Err }

// Batch is the case of several programs in one request, in their order. They are of one
// target, and have no others beside them.
func Batch(cases []*Case) *Case {
	c := cases[0].Clone()
	c.Expect = nil
	for _, x := range cases[1:] {
		x = x.Clone()
		c.Beside = append(c.Beside, Beside{x.Shape, x.Program})
	}
	return c
}

// Each is the programs of one request, each as a case of its own.
func (c *Case) Each() []*Case {
	first := c.Clone()
	first.Beside, first.Expect = nil, nil
	all := []*Case{first}
	for _, x := range c.Clone().Beside {
		one := first.Clone()
		one.Shape, one.Program = x.Shape, x.Program
		all = append(all, one)
	}
	return all
}

func cloneBeside(all []Beside) []Beside {
	all = slices.Clone(all)
	for i := range all {
		all[i].Program = cloneProgram(all[i].Program)
	}
	return all
}

func cloneProgram(p inplace.Program) inplace.Program {
	p.Buffers, p.Stmts = slices.Clone(p.Buffers), slices.Clone(p.Stmts)
	return p
}

// checkBeside is Check of the programs beside that of the case.
func (c *Case) checkBeside(limit int64) error {
	if len(c.Beside) == 0 {
		return nil
	}
	if !c.Target.IsProgram() || c.Target.Device != window.Worker {
		return fmt.Errorf("%s runs one program: others beside it are for a target program/%s", c.Target, window.Worker)
	}
	for i, one := range c.Each()[1:] {
		err := one.Check(limit)
		if one.Shape == (impls.Shape{}) {
			err = errors.New("its line \"shape\" is missing")
		}
		if err != nil {
			return &BesideError{i + 1, err}
		}
	}
	return nil
}

// besideBytes is the memory of the programs beside that of the case, -1 as of Bytes.
func (c *Case) besideBytes() int64 {
	if len(c.Beside) == 0 {
		return 0
	}
	sum := int64(0)
	for _, one := range c.Each()[1:] {
		n := one.Bytes()
		if n < 0 || sum > 1<<60 {
			return -1
		}
		sum += n
	}
	return sum
}

func formatShape(b *bytes.Buffer, s impls.Shape) {
	fmt.Fprintf(b, "shape batch=%d heads=%d window=%d dim=%d dtype=%s layout=%s\n", s.Batch, s.Heads, s.Window, s.Dim, s.DType, s.Layout)
}

func formatProgram(b *bytes.Buffer, p inplace.Program) {
	for _, x := range p.Buffers {
		fmt.Fprintf(b, "buffer %s %d\n", x.Name, x.Rows)
	}
	for _, x := range p.Stmts {
		fmt.Fprintf(b, "%s\n", x)
	}
}

// program is that whose lines are read: the case's, or the one beside it that came last.
func (p *parser) program() *inplace.Program {
	if x := p.beside(); x != nil {
		return &x.Program
	}
	return &p.c.Program
}

// beside is the program beside the case's that came last, nil before one.
func (p *parser) beside() *Beside {
	if n := len(p.c.Beside); n > 0 {
		return &p.c.Beside[n-1]
	}
	return nil
}
