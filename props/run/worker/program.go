package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// confirmRuns is how often a program is run alone that was wrong among others.
const confirmRuns = 10

// runPrograms runs cases of programs on the worker, together. A program that
// the worker cannot run is a divergence of its own; skipped says why it need not run
// one, by its documentation.
func (b *Backend) runPrograms(ctx context.Context, cases []*corpus.Case, programs []inplace.Program) (found []*corpus.Divergence, skipped []string, err error) {
	jobs := make([]*worker.Job, len(cases))
	all := make([][]*judge.Values, len(cases))
	for i, c := range cases {
		if jobs[i], all[i], err = b.job(c, programs[i]); err != nil {
			return nil, nil, err
		}
	}
	err = b.client.RunPrograms(ctx, cases[0].Target.Variant, jobs)
	found, skipped = make([]*corpus.Divergence, len(cases)), make([]string, len(cases))
	if err != nil {
		var refused *worker.RefusedError
		f, detail := b.failed()
		if f == "" {
			if !errors.As(err, &refused) {
				return nil, nil, err
			}
			f, detail = corpus.FaultRefused, refused.Reason
		}
		for i, c := range cases {
			found[i] = &corpus.Divergence{Op: max(1, len(c.Program.Stmts)), OpKind: corpus.WholeCase, Tensor: "-", Fault: f, Detail: detail}
		}
		return found, skipped, nil
	}
	for i, j := range jobs {
		skipped[i] = j.Skip
		found[i] = outcome(j, all[i])
	}
	return found, skipped, nil
}

// job is what the worker is asked for a case, and what each call of it should give.
func (b *Backend) job(c *corpus.Case, p inplace.Program) (*worker.Job, []*judge.Values, error) {
	if v := c.Target.Variant; v != "" && !slices.Contains(b.hello.Variants, v) {
		has := "variants " + strings.Join(b.hello.Variants, ", ")
		if len(b.hello.Variants) == 0 {
			has = "no variants"
		}
		return nil, nil, fmt.Errorf("%s: the case is of the variant %s, the worker has %s: start one that has it, with its --variants %s where it takes that, or leave /%s out of the case's target line",
			c.Target, v, has, v, v)
	}
	s := c.Shape
	s.Layout = impls.HeadsFirst
	code, err := b.judge.Encoding(s)
	if err != nil {
		return nil, nil, err
	}
	j := &worker.Job{Program: p}
	var all []*judge.Values
	for call := range b.hello.Calls() {
		mem := make([][]byte, len(p.Buffers))
		buffers := make([]impls.Tensor, 0, len(mem))
		for i := range mem {
			mem[i] = make([]byte, s.Lanes()*p.Buffers[i].Rows*s.RowBytes())
			buffers = append(buffers, impls.TensorOver(s, p.Buffers[i].Rows, mem[i]))
		}
		buffers = append(buffers, worker.Returned(p, s)...)
		if call > 0 {
			all = append(all, all[0].Fresh(call, code, mem))
			j.Again = append(j.Again, buffers)
			continue
		}
		j.Buffers = buffers
		all = append(all, judge.NewValues(p, s, code, mem))
		for _, stmt := range p.Stmts {
			all[0].Statement(stmt)
		}
	}
	return j, all, nil
}

// outcome is what a worker made of a program, the first call that went wrong.
func outcome(j *worker.Job, all []*judge.Values) *corpus.Divergence {
	last := max(1, len(j.Program.Stmts))
	switch {
	case j.Skip != "":
		return nil
	case j.Err != nil:
		return &corpus.Divergence{Op: last, OpKind: "statement", Tensor: "-", Fault: corpus.FaultRefused, Detail: j.Err.Error()}
	}
	for call, buffers := range append([][]impls.Tensor{j.Buffers}, j.Again...) {
		mem := make([][]byte, len(buffers))
		for b := range mem {
			mem[b] = buffers[b].Data
		}
		if d := all[call].Compare(mem); d != nil {
			d.Op, d.OpKind, d.Fault, d.Where = last, "statement", corpus.FaultRows, "stored"
			if call > 0 {
				d.Where = fmt.Sprintf("stored by call %d of what was compiled", call+1)
			}
			return d
		}
	}
	return nil
}

// together runs a batch of programs on the worker, together, and each that
// went wrong alone.
func (b *Backend) together(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	all := make([]*corpus.Divergence, 0, len(cases))
	programs := make([]inplace.Program, len(cases))
	for i, c := range cases {
		programs[i] = c.Program
	}
	together, skipped, err := b.runPrograms(ctx, cases, programs)
	if err != nil {
		return nil, err
	}
	if len(cases) > 1 && together[0] != nil && together[0].OpKind == corpus.WholeCase {
		// The whole batch came to nothing: look for the program to blame.
		half := len(cases) / 2
		for _, part := range [][]*corpus.Case{cases[:half], cases[half:]} {
			found, err := b.together(ctx, part)
			all = append(all, found...)
			if err != nil {
				return all, err
			}
		}
		return all, nil
	}
	for i, d := range together {
		skip := skipped[i] != ""
		if d != nil && len(cases) > 1 {
			d, err = b.alone(ctx, cases[i])
			var not *run.SkippedError
			if skip = errors.As(err, &not); err != nil && !skip {
				return all, err
			}
		}
		b.count(cases[i], skip)
		all, b.skipped = append(all, d), append(b.skipped, skip)
	}
	return all, nil
}

// alone runs a program that was wrong among others alone, and more than once: a race need
// not show each time.
func (b *Backend) alone(ctx context.Context, c *corpus.Case) (d *corpus.Divergence, err error) {
	for k := 0; k < confirmRuns && d == nil && err == nil; k++ {
		d, err = b.one(ctx, c)
	}
	return d, err
}

// Skipped implements run.Skipper: a worker answers for each program of a request.
func (b *Backend) Skipped() []bool { return b.skipped }
