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

// batchHangs is how often a worker may hang within one batch: at the whole batch, and at three
// of its programs, which are as many as a hunt waits for. What is left of the batch then does
// not run.
const batchHangs = 4

// search is the look for what is to blame within one batch of programs.
type search struct {
	hangs   int                   // requests that hung
	failed  int                   // programs, or parts of the batch, that are told to have ended the worker
	refused int                   // those that were refused and are told, or counted
	among   map[*corpus.Case]bool // those that are counted as wrong only among others
}

// blamed is how many were, for a fault of this kind.
func (s *search) blamed(f corpus.Fault) *int {
	if f == corpus.FaultRefused {
		return &s.refused
	}
	return &s.failed
}

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
		if f == corpus.FaultHang {
			b.search.hangs++
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
// went wrong alone. There are fewer results than cases where it hung too often.
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
		return b.apart(ctx, cases, together[0])
	}
	for i, d := range together {
		skip := skipped[i] != ""
		if d != nil && len(cases) > 1 {
			if b.search.hangs >= batchHangs {
				return all, nil
			}
			d, err = b.alone(ctx, cases[i])
			var not *run.SkippedError
			if skip = errors.As(err, &not); err != nil && !skip {
				return all, err
			}
			if d == nil && !skip {
				b.countAmong(cases[i])
			}
		}
		if d != nil && d.Fault != corpus.FaultRows {
			*b.search.blamed(d.Fault)++
		}
		b.count(cases[i], skip)
		all, b.skipped = append(all, d), append(b.skipped, skip)
	}
	return all, nil
}

// apart looks for the program to blame for what a whole batch came to, nothing: in its
// halves, and where it hung, which takes the whole time limit each time, in each program
// alone. Where no part comes to nothing the batch is to blame: that the worker ended is told
// of one of its programs, that it refused them is counted.
func (b *Backend) apart(ctx context.Context, cases []*corpus.Case, d *corpus.Divergence) ([]*corpus.Divergence, error) {
	size := (len(cases) + 1) / 2
	if d.Fault == corpus.FaultHang {
		size = 1
	}
	var all []*corpus.Divergence
	var err error
	first, before := len(b.skipped), *b.search.blamed(d.Fault)
	for part := range slices.Chunk(cases, size) {
		if b.search.hangs >= batchHangs {
			break
		}
		var found []*corpus.Divergence
		found, err = b.together(ctx, part)
		if all = append(all, found...); err != nil || len(found) < len(part) {
			break
		}
	}
	blamed := b.search.blamed(d.Fault)
	if *blamed > before {
		return all, err
	}
	if d.Fault == corpus.FaultRefused {
		if len(all) == len(cases) {
			*blamed++
			for i, c := range cases {
				if all[i] == nil && !b.skipped[first+i] {
					b.countAmong(c)
				}
			}
		}
		return all, err
	}
	looked := "none of them did so alone"
	switch {
	case ctx.Err() != nil:
		looked = "the time was up before it was known whether one of them does so alone"
	case err != nil:
		looked = "whether one of them does so alone could not be tried"
	case len(all) < len(cases):
		looked = fmt.Sprintf("whether one of them does so alone is not known, for the worker had hung %d times in this batch, and the rest of it did not run", batchHangs)
	case size > 1:
		looked = "neither half of them did so when it ran apart"
	}
	*blamed++
	return b.tell(cases, all, first, d, looked), err
}

// tell gives what a batch came to, d, to one of its programs, whose results so far are all,
// the first of them having this index in skipped: to the last that ran and has no finding of
// its own, or to one that did not run.
func (b *Backend) tell(cases []*corpus.Case, all []*corpus.Divergence, first int, d *corpus.Divergence, looked string) []*corpus.Divergence {
	at := len(all) - 1
	for at >= 0 && (all[at] != nil || b.skipped[first+at]) {
		at--
	}
	if at < 0 && len(all) < len(cases) {
		b.count(cases[len(all)], false)
		all, b.skipped = append(all, nil), append(b.skipped, false)
	}
	if at < 0 {
		at = len(all) - 1
	}
	one := among(cases, d)
	one.Detail += ": " + looked
	one.Batch = corpus.Batch(cases)
	all[at], b.skipped[first+at] = one, false
	return all
}

// among is what a batch came to, d, as the divergence of a case of all of it.
func among(cases []*corpus.Case, d *corpus.Divergence) *corpus.Divergence {
	of := *d
	of.Op, of.OpKind = max(1, len(cases[0].Program.Stmts)), corpus.AmongOthers
	of.Detail = fmt.Sprintf("%s; among %d programs run together", d.Detail, len(cases))
	return &of
}

// batch runs a case of several programs, in one request.
func (b *Backend) batch(ctx context.Context, c *corpus.Case) (*corpus.Divergence, error) {
	cases := c.Each()
	programs := make([]inplace.Program, len(cases))
	for i := range cases {
		programs[i] = cases[i].Program
	}
	found, skipped, err := b.runPrograms(ctx, cases, programs)
	if err != nil {
		return nil, err
	}
	if found[0] != nil && found[0].OpKind == corpus.WholeCase {
		return among(cases, found[0]), nil
	}
	for i, d := range found {
		if d == nil {
			continue
		}
		which := fmt.Sprintf("program %d of %d run together", i+1, len(cases))
		if d.Fault == corpus.FaultRows {
			d.Where += " of " + which
		} else {
			d.Detail = which + ": " + d.Detail
		}
		return d, nil
	}
	if !slices.Contains(skipped, "") {
		return nil, &run.SkippedError{Reason: skipped[0]}
	}
	return nil, nil
}

// countAmong adds a program that was wrong only among others, once.
func (b *Backend) countAmong(c *corpus.Case) {
	if b.search.among[c] {
		return
	}
	b.search.among[c] = true
	n := b.programs[c.Target.Variant]
	n.Among++
	b.programs[c.Target.Variant] = n
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
