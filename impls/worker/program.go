package worker

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/printable"
)

// Job is a program and the memory of its buffers, [batch, heads, rows, dim],
// which RunPrograms replaces by what the program made of it.
type Job struct {
	Program inplace.Program
	Buffers []impls.Tensor
	// Err is how the worker refused this program; its buffers are then as
	// they were.
	Err error
}

// RunPrograms runs independent programs, together where the worker compiles:
// one graph for all of them. The request is called programs: it holds their
// number in count, each as lines of a case file in program.0, program.1 …, all
// of them as PyTorch code in source, and the buffers as tensors "0.x", "0.y",
// "1.x" …; the reply holds the same tensors afterwards, and error.0, error.1 …
// for programs that could not be run.
func (c *Client) RunPrograms(ctx context.Context, jobs []*Job) error {
	c.fault = nil
	hello, err := c.Hello(ctx)
	if err != nil {
		return err
	}
	if !hello.Programs {
		return fmt.Errorf("the worker %s does not run programs (its capabilities lack \"programs\")", hello.Name)
	}
	var source strings.Builder
	var tensors []Tensor
	meta := map[string]string{"count": strconv.Itoa(len(jobs))}
	for i, j := range jobs {
		source.WriteString(pyTorch(j.Program, fmt.Sprintf("p%d", i)))
		meta[fmt.Sprintf("program.%d", i)] = lines(j.Program)
		tensors = append(tensors, packBuffers(i, j)...)
	}
	meta["source"] = source.String()
	reply, err := c.ask(ctx, "programs", meta, tensors...)
	if err != nil {
		return err
	}
	for i, j := range jobs {
		if reason, ok := reply.Meta[fmt.Sprintf("error.%d", i)]; ok {
			j.Err = &RefusedError{"the program", printable.Line(reason)}
			continue
		}
		for b := range j.Buffers {
			name := fmt.Sprintf("%d.%s", i, j.Program.Buffers[b].Name)
			x, err := unpack(reply.Tensor(name))
			if err != nil {
				return c.fail(Nonsense, "the reply to programs: %s: %v", name, err)
			}
			old := &j.Buffers[b]
			if x.Batch != old.Batch || x.Heads != old.Heads || x.Rows != old.Rows || x.Dim != old.Dim || x.DType != old.DType {
				return c.fail(Nonsense, "the reply to programs: %s has another shape or dtype than it came with", name)
			}
			*old = x
		}
	}
	return nil
}

// lines are the statements of a program as a case file has them.
func lines(p inplace.Program) string {
	text := make([]string, len(p.Stmts))
	for i, s := range p.Stmts {
		text[i] = s.String()
	}
	return strings.Join(text, "\n")
}

func packBuffers(i int, j *Job) []Tensor {
	all := make([]Tensor, len(j.Buffers))
	for b := range j.Buffers {
		all[b] = pack(fmt.Sprintf("%d.%s", i, j.Program.Buffers[b].Name), &j.Buffers[b])
	}
	return all
}

// unpackJobs is what a request called programs asks for.
func unpackJobs(m *Message) ([]*Job, error) {
	count, err := strconv.Atoi(m.Meta["count"])
	if err != nil || count < 0 || count > len(m.Meta) {
		return nil, fmt.Errorf("count=%q: want the number of programs", m.Meta["count"])
	}
	jobs := make([]*Job, count)
	for i := range jobs {
		j := &Job{}
		for line := range strings.SplitSeq(m.Meta[fmt.Sprintf("program.%d", i)], "\n") {
			if line == "" {
				continue
			}
			s, err := inplace.ParseStmt(line)
			if err != nil {
				return nil, fmt.Errorf("program.%d: %w", i, err)
			}
			j.Program.Stmts = append(j.Program.Stmts, s)
		}
		prefix := fmt.Sprintf("%d.", i)
		for t := range m.Tensors {
			name, ok := strings.CutPrefix(m.Tensors[t].Name, prefix)
			if !ok {
				continue
			}
			x, err := unpack(&m.Tensors[t])
			if err != nil {
				return nil, fmt.Errorf("tensor %s: %w", m.Tensors[t].Name, err)
			}
			j.Program.Buffers = append(j.Program.Buffers, inplace.Buffer{Name: name, Rows: x.Rows})
			j.Buffers = append(j.Buffers, x)
		}
		if err := j.Program.Check(); err != nil {
			return nil, fmt.Errorf("program.%d: %w", i, err)
		}
		jobs[i] = j
	}
	return jobs, nil
}

// Cloned is the program with a clone of each bare view that a statement writes
// elsewhere: a program reads its right-hand side whole first, where PyTorch's
// copy_ between overlapping rows is undefined.
func Cloned(p inplace.Program) inplace.Program {
	p.Stmts = slices.Clone(p.Stmts)
	for i := range p.Stmts {
		if s := &p.Stmts[i]; s.Src.Op == inplace.OpView && !s.Define {
			s.Src = inplace.Clone(s.Src)
		}
	}
	return p
}

// pyTorch prints a program as a Python function of its buffers, which are
// tensors [batch, heads, rows, dim].
func pyTorch(p inplace.Program, name string) string {
	var b strings.Builder
	names := make([]string, len(p.Buffers))
	for i := range names {
		names[i] = p.Buffers[i].Name
	}
	fmt.Fprintf(&b, "def %s(%s):\n", name, strings.Join(names, ", "))
	for _, s := range Cloned(p).Stmts {
		value := pyExpr(s.Src)
		switch {
		case s.Define:
			fmt.Fprintf(&b, "    %s = %s\n", s.Dst, value)
		case s.Index != nil:
			fmt.Fprintf(&b, "    %s[:, :, %s] = %s\n", s.Dst, pyList(s.Index), value)
		default:
			fmt.Fprintf(&b, "    %s[:, :, %d:%d] = %s\n", s.Dst, s.Lo, s.Hi, value)
		}
	}
	if len(p.Stmts) == 0 {
		b.WriteString("    pass\n")
	}
	return b.String()
}

func pyExpr(e inplace.Expr) string {
	if e.Op == inplace.OpView {
		return fmt.Sprintf("%s[:, :, %d:%d]", e.Name, e.Lo, e.Hi)
	}
	args := make([]string, len(e.Args))
	for i, a := range e.Args {
		args[i] = pyExpr(a)
	}
	switch e.Op {
	case inplace.OpCat:
		return "torch.cat((" + strings.Join(args, ", ") + ",), 2)"
	case inplace.OpRoll:
		return fmt.Sprintf("torch.roll(%s, %d, 2)", args[0], e.K)
	case inplace.OpGather:
		return fmt.Sprintf("%s[:, :, %s]", args[0], pyList(e.Index))
	case inplace.OpIndexCopy:
		return fmt.Sprintf("torch.index_copy(%s, 2, torch.tensor(%s, device=%s.device), %s)", args[0], pyList(e.Index), firstName(e), args[1])
	}
	return args[0] + ".clone()"
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
