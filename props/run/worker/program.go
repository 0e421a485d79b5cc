package worker

import (
	"context"
	"errors"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

// confirmRuns is how often a program is run alone that was wrong among others.
const confirmRuns = 10

// runPrograms runs cases of programs on the worker, together. A program that
// the worker cannot run is a divergence of its own.
func (b *Backend) runPrograms(ctx context.Context, cases []*corpus.Case, programs []inplace.Program) ([]*corpus.Divergence, error) {
	jobs := make([]*worker.Job, len(cases))
	all := make([]*judge.Values, len(cases))
	for i, c := range cases {
		p, s := programs[i], c.Shape
		s.Layout = impls.HeadsFirst
		code, err := b.judge.Encoding(s)
		if err != nil {
			return nil, err
		}
		mem := make([][]byte, len(p.Buffers))
		for b := range mem {
			mem[b] = make([]byte, s.Lanes()*p.Buffers[b].Rows*s.RowBytes())
		}
		all[i] = judge.NewValues(p, s, code, mem)
		for _, stmt := range p.Stmts {
			all[i].Statement(stmt)
		}
		jobs[i] = &worker.Job{Program: p}
		for b := range mem {
			jobs[i].Buffers = append(jobs[i].Buffers, impls.TensorOver(s, p.Buffers[b].Rows, mem[b]))
		}
	}
	err := b.client.RunPrograms(ctx, jobs)
	found := make([]*corpus.Divergence, len(cases))
	if err != nil {
		var refused *worker.RefusedError
		f, detail := b.failed()
		if f == "" {
			if !errors.As(err, &refused) {
				return nil, err
			}
			f, detail = corpus.FaultRefused, refused.Reason
		}
		for i, c := range cases {
			found[i] = &corpus.Divergence{Op: max(1, len(c.Program.Stmts)), OpKind: corpus.WholeCase, Tensor: "-", Fault: f, Detail: detail}
		}
		return found, nil
	}
	for i, j := range jobs {
		last := max(1, len(j.Program.Stmts))
		if j.Err != nil {
			found[i] = &corpus.Divergence{Op: last, OpKind: "statement", Tensor: "-", Fault: corpus.FaultRefused, Detail: j.Err.Error()}
			continue
		}
		mem := make([][]byte, len(j.Buffers))
		for b := range mem {
			mem[b] = j.Buffers[b].Data
		}
		if d := all[i].Compare(mem); d != nil {
			d.Op, d.OpKind, d.Fault, d.Where = last, "statement", corpus.FaultRows, "stored"
			found[i] = d
		}
	}
	return found, nil
}

// together runs a batch of programs on the worker, together, and each that
// went wrong alone.
func (b *Backend) together(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	all := make([]*corpus.Divergence, 0, len(cases))
	programs := make([]inplace.Program, len(cases))
	for i, c := range cases {
		programs[i] = c.Program
	}
	together, err := b.runPrograms(ctx, cases, programs)
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
		if d != nil && len(cases) > 1 {
			// Alone, and more than once: a race need not show each time.
			d = nil
			for k := 0; k < confirmRuns && d == nil; k++ {
				if d, err = b.one(ctx, cases[i]); err != nil {
					return all, err
				}
			}
		}
		all = append(all, d)
	}
	return all, nil
}
