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
// which RunPrograms replaces by what the program made of it. The memory of what it
// returns, as Returned makes it, comes after that of the buffers.
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
// its names resolved; the reply then also holds what a program returns, as "0.return1",
// "0.return2" …. Where its hello wants runs, the request says how many, and a
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
		if g := j.Program.Grammar(); g > max(1, hello.Grammar) {
			return fmt.Errorf("a program of the wider grammar (flips, steps, masks, sums, returned values), which the worker %s does not take: its hello lacks grammar=%d", hello.Name, g)
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
		for _, call := range j.calls() {
			if want := len(j.Program.Buffers) + len(j.Program.Returns()); len(call) != want {
				return fmt.Errorf("program %d has memory for %d buffers and returned values, not %d", i, len(call), want)
			}
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
		tensors = append(tensors, j.pack(i, len(j.Program.Buffers))...)
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
			x, err := unpack(j.unshaped(b, reply.Tensor(name)))
			if err != nil {
				return c.fail(Nonsense, "the reply to programs: %s: %v", name, err)
			}
			old := &call[b]
			if x.Batch != old.Batch || x.Heads != old.Heads || x.Rows != old.Rows || x.Dim != old.Dim || x.DType != old.DType {
				return c.fail(Nonsense, "the reply to programs: %s has another shape or dtype than it should have", name)
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
