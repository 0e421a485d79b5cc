package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// ServePrograms answers requests to run programs, until bye, the end of in or that
// of ctx.
// run runs one program in place, in a variant that hello names, empty for the first, and
// fills the memory of what the program returns, which comes after that of its buffers as
// Returned makes it, zero; its error refuses this program alone, and a *SkipError says
// that it need not run.
func ServePrograms(ctx context.Context, in io.Reader, out io.Writer, hello Hello, run func(variant string, p inplace.Program, buffers []impls.Tensor) error) error {
	hello.Programs = true
	return serve(ctx, in, out, func(m *Message) (*Message, error) {
		switch op := m.Meta["op"]; op {
		case "hello":
			return hello.message(), nil
		case "bye":
			return &Message{}, nil
		case "programs":
			variant := m.Meta["variant"]
			if variant != "" && !slices.Contains(hello.Variants, variant) {
				return nil, fmt.Errorf("variant %q: this worker has %q", variant, hello.Variants)
			}
			jobs, err := unpackJobs(m)
			if err != nil {
				return nil, err
			}
			return runJobs(jobs, func(p inplace.Program, buffers []impls.Tensor) error { return run(variant, p, buffers) }), nil
		default:
			return nil, fmt.Errorf("op %q: want hello, programs or bye", op)
		}
	})
}

// runJobs is the reply to programs.
func runJobs(jobs []*Job, run func(p inplace.Program, buffers []impls.Tensor) error) *Message {
	reply := &Message{Meta: map[string]string{}}
	for i, j := range jobs {
		var err error
		for _, buffers := range j.calls() {
			if err == nil {
				err = run(j.Program, buffers)
			}
		}
		var skip *SkipError
		switch {
		case errors.As(err, &skip):
			reply.Meta[fmt.Sprintf("skip.%d", i)] = skip.Reason
		case err != nil:
			reply.Meta[fmt.Sprintf("error.%d", i)] = err.Error()
		default:
			reply.Tensors = append(reply.Tensors, j.pack(i, len(j.Buffers))...)
		}
	}
	return reply
}

// unpackJobs is what a request called programs asks for.
func unpackJobs(m *Message) ([]*Job, error) {
	count, err := strconv.Atoi(m.Meta["count"])
	if err != nil || count < 0 || count > len(m.Meta) {
		return nil, fmt.Errorf("count=%q: want the number of programs", m.Meta["count"])
	}
	runs := 1
	if text, ok := m.Meta["runs"]; ok {
		if runs, err = strconv.Atoi(text); err != nil || runs < 1 || runs > maxRuns {
			return nil, fmt.Errorf("runs=%q: want the calls of each program, from 1 to %d", text, maxRuns)
		}
	}
	jobs := make([]*Job, count)
	for i := range jobs {
		if jobs[i], err = unpackJob(m, i, runs); err != nil {
			return nil, err
		}
	}
	return jobs, nil
}

func unpackJob(m *Message, i, runs int) (*Job, error) {
	j := &Job{Again: make([][]impls.Tensor, runs-1)}
	for line := range strings.SplitSeq(m.Meta[fmt.Sprintf("program.%d", i)], "\n") {
		if line == "" || strings.HasPrefix(line, "buffer ") {
			continue // the tensors tell the buffers too
		}
		s, err := inplace.ParseStmt(line)
		if err != nil {
			return nil, fmt.Errorf("program.%d: %w", i, err)
		}
		j.Program.Stmts = append(j.Program.Stmts, s)
	}
	prefix, first := fmt.Sprintf("%d.", i), ""
	if runs > 1 {
		first = ".0"
	}
	for t := range m.Tensors {
		name, mine := strings.CutPrefix(m.Tensors[t].Name, prefix)
		name, of := strings.CutSuffix(name, first)
		if !mine || !of {
			continue
		}
		x, err := unpack(&m.Tensors[t])
		if err != nil {
			return nil, fmt.Errorf("tensor %s: %w", m.Tensors[t].Name, err)
		}
		j.Program.Buffers = append(j.Program.Buffers, inplace.Buffer{Name: name, Rows: x.Rows})
		j.Buffers = append(j.Buffers, x)
	}
	for r := range j.Again {
		for b := range j.Program.Buffers {
			x, err := unpack(m.Tensor(j.tensor(i, r+1, b)))
			if err != nil {
				return nil, fmt.Errorf("tensor %s: %w", j.tensor(i, r+1, b), err)
			}
			j.Again[r] = append(j.Again[r], x)
		}
	}
	if err := j.Program.Check(); err != nil {
		return nil, fmt.Errorf("program.%d: %w", i, err)
	}
	if len(j.Buffers) == 0 {
		return nil, fmt.Errorf("program.%d has no tensors", i)
	}
	x := &j.Buffers[0]
	shape := impls.Shape{Batch: x.Batch, Heads: x.Heads, Window: 1, Dim: x.Dim, DType: x.DType}
	if t := shape.DType; j.Program.Adds() && t != impls.I32 && t != impls.F32 {
		return nil, fmt.Errorf("program.%d: a sum of %s: want I32 or F32", i, t)
	}
	j.Buffers = append(j.Buffers, Returned(j.Program, shape)...)
	for r := range j.Again {
		j.Again[r] = append(j.Again[r], Returned(j.Program, shape)...)
	}
	return j, nil
}
