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
	// Again is the buffers of further calls of what was compiled once, for a worker
	// whose hello wants runs.
	Again [][]impls.Tensor
	// Err is how the worker refused this program; its buffers are then as
	// they were.
	Err error
	// Skip is why the worker does not run this program, where its documentation says
	// that it need not; its buffers are then as they were.
	Skip string
}

// calls are the buffers of each call.
func (j *Job) calls() [][]impls.Tensor { return append([][]impls.Tensor{j.Buffers}, j.Again...) }

// SkipError is what runs a program says of one that it need not run, by its
// documentation.
type SkipError struct{ Reason string }

func (e *SkipError) Error() string { return e.Reason }

// RunPrograms runs independent programs of one variant, empty for the worker's first,
// together where the worker compiles: one graph for all of them. The request is called
// programs: it holds their number in count, each as lines of a case file in program.0,
// program.1 …, all of them as PyTorch code in source, and the buffers as tensors "0.x",
// "0.y", "1.x" …; the reply holds the same tensors afterwards, and error.0, error.1 …
// for programs that could not be run, skip.0, skip.1 … for those that need not be. For
// a worker of grammar 2 a program's lines begin with its buffers, and ir.0, ir.1 … has
// its names resolved. Where its hello wants runs, the request says how many, and a
// tensor of call R is "0.x.R", from 0.
func (c *Client) RunPrograms(ctx context.Context, variant string, jobs []*Job) error {
	c.fault = nil
	hello, err := c.Hello(ctx)
	if err != nil {
		return err
	}
	if !hello.Programs {
		return fmt.Errorf("the worker %s does not run programs (its capabilities lack \"programs\")", hello.Name)
	}
	for _, j := range jobs {
		if j.Program.Grammar() > 1 {
			return fmt.Errorf("a program of the wider grammar (flips, steps, masks, sums, returned values): workers are asked programs of grammar 1 alone")
		}
	}
	var source strings.Builder
	var tensors []Tensor
	meta := map[string]string{"count": strconv.Itoa(len(jobs))}
	if variant != "" {
		meta["variant"] = variant
	}
	if hello.Runs > 1 {
		meta["runs"] = strconv.Itoa(hello.Runs)
	}
	for i, j := range jobs {
		if len(j.Program.Stmts) == 0 {
			return fmt.Errorf("program %d has no statements: a worker is asked for none that does nothing", i)
		}
		if len(j.Again)+1 != hello.Calls() {
			return fmt.Errorf("program %d has buffers for %d calls, the worker wants %d", i, len(j.Again)+1, hello.Calls())
		}
		source.WriteString(pyTorch(j.Program, fmt.Sprintf("p%d", i)))
		if key := fmt.Sprintf("program.%d", i); hello.Grammar > 1 {
			meta[key], meta[fmt.Sprintf("ir.%d", i)] = programText(j.Program), irText(j.Program)
		} else {
			meta[key] = lines(j.Program)
		}
		tensors = append(tensors, packBuffers(i, j)...)
	}
	meta["source"] = source.String()
	reply, err := c.ask(ctx, "programs", meta, tensors...)
	if err != nil {
		return err
	}
	for i, j := range jobs {
		if err := c.takeJob(i, j, reply); err != nil {
			return err
		}
	}
	return nil
}

// takeJob takes what a reply says of program i.
func (c *Client) takeJob(i int, j *Job, reply *Message) error {
	if reason, ok := reply.Meta[fmt.Sprintf("error.%d", i)]; ok {
		j.Err = &RefusedError{"the program", printable.Line(reason)}
		return nil
	}
	if reason, ok := reply.Meta[fmt.Sprintf("skip.%d", i)]; ok {
		if j.Skip = printable.Line(reason); j.Skip == "" {
			return c.fail(Nonsense, "the reply to programs: skip.%d gives no reason", i)
		}
		return nil
	}
	for r, call := range j.calls() {
		for b := range call {
			name := j.tensor(i, r, b)
			x, err := unpack(reply.Tensor(name))
			if err != nil {
				return c.fail(Nonsense, "the reply to programs: %s: %v", name, err)
			}
			old := &call[b]
			if x.Batch != old.Batch || x.Heads != old.Heads || x.Rows != old.Rows || x.Dim != old.Dim || x.DType != old.DType {
				return c.fail(Nonsense, "the reply to programs: %s has another shape or dtype than it came with", name)
			}
			*old = x
		}
	}
	return nil
}

// tensor is the name of a buffer of call r of program i.
func (j *Job) tensor(i, r, b int) string {
	name := fmt.Sprintf("%d.%s", i, j.Program.Buffers[b].Name)
	if len(j.Again) > 0 {
		name += fmt.Sprintf(".%d", r)
	}
	return name
}

// lines are the statements of a program as a case file has them.
func lines(p inplace.Program) string {
	text := make([]string, len(p.Stmts))
	for i, s := range p.Stmts {
		text[i] = s.String()
	}
	return strings.Join(text, "\n")
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
