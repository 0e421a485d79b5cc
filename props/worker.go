package props

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// runWorker runs a case on the worker, which gets a fresh process where the one
// before is gone.
func (r *Runner) runWorker(ctx context.Context, c *corpus.Case) (*corpus.Divergence, error) {
	if r.Worker == nil {
		return nil, fmt.Errorf("%s is a worker: name its command with --exec 'COMMAND ARG …'", c.Target)
	}
	r.c, r.window, r.store, r.op = c, nil, nil, 0
	r.order = r.orderOf(c.Schedule)
	if p, ok := c.TheProgram(); ok {
		all, err := r.runPrograms(ctx, []*corpus.Case{c}, []inplace.Program{p})
		if err != nil {
			return nil, err
		}
		if d := all[0]; d != nil && d.Fault == corpus.FaultRows {
			r.liken(ctx, c, d)
		}
		return all[0], nil
	}
	d, err := r.runOnce(ctx, c)
	if d == nil || r.refused == 0 || d.Fault != corpus.FaultRows && d.Fault != corpus.FaultShape {
		return d, err
	}
	// Rows went wrong some time after a refusal. It is to blame if they do so
	// each time, and never without the request that was refused.
	culprit := r.refused
	without := c.Clone()
	without.Ops = slices.Delete(without.Ops, culprit-1, culprit)
	for range blameRuns {
		for _, x := range [...]struct {
			c    *corpus.Case
			fail bool
		}{{without, false}, {c, true}} {
			again, err := r.runOnce(ctx, x.c)
			if err != nil {
				return nil, err
			}
			if x.fail != (again != nil) {
				return d, nil
			}
		}
	}
	return blame(d, culprit), nil
}

// blameRuns is how often a refusal must have changed the cache, and its absence
// not: a race that shows in every second run meets both by chance once in 4,096.
const blameRuns = 6

// runOnce runs a case of a cache once.
func (r *Runner) runOnce(ctx context.Context, c *corpus.Case) (*corpus.Divergence, error) {
	r.c, r.op, r.refused = c, 0, 0
	err := r.Worker.New(ctx, c.Shape)
	if d := r.workerFault(); d != nil {
		d.Op, d.OpKind = 1, "start"
		return d, nil
	}
	var refused *worker.RefusedError
	if errors.As(err, &refused) {
		return r.fault(corpus.FaultRefused, "-", "a new cache: "+refused.Reason), nil
	}
	if err != nil {
		return nil, err
	}
	hello, err := r.Worker.Hello(ctx)
	if err != nil {
		return nil, err
	}
	judge := single
	if hello.Contract == "chunks" {
		judge = chunks
	}
	return r.runCache(ctx, workerCache{r.Worker}, judge)
}

// workerFault is what the worker did instead of answering, nil if it answered.
func (r *Runner) workerFault() *corpus.Divergence {
	if r.Worker == nil || r.Worker.Fault() == nil {
		return nil
	}
	f := r.Worker.Fault()
	kind := corpus.FaultCrash
	switch f.Kind {
	case worker.Hang:
		kind = corpus.FaultHang
	case worker.Nonsense:
		kind = corpus.FaultProtocol
	}
	return r.fault(kind, "-", f.Detail)
}

// gpuDevice matches what workers call a GPU, as PyTorch does.
var gpuDevice = regexp.MustCompile(`^(cuda|hip|xpu|mps|gpu)`)

// gpuCells is the cells of the larger buffer of a program on a GPU, in one lane
// of wide rows. A race needs blocks that start after others have ended: an H100
// or H200 runs some 2,000 blocks of 1,024 cells at once, half of these.
const gpuCells = 1 << 22

// FixedShape is what every case of a hunt has of its shape. What is 0 or nil is
// drawn.
type FixedShape struct {
	Batch, Heads, Window, Dim int
	DType                     *impls.DType
}

// apply gives a case the shape. A chunk keeps its share of the window, so that
// what filled it still does.
func (f FixedShape) apply(c *corpus.Case) {
	old, s := c.Shape.Window, &c.Shape
	s.Batch, s.Heads, s.Window, s.Dim = cmp.Or(f.Batch, s.Batch), cmp.Or(f.Heads, s.Heads), cmp.Or(f.Window, s.Window), cmp.Or(f.Dim, s.Dim)
	if f.DType != nil {
		s.DType = *f.DType
	}
	for i := range c.Ops {
		o := &c.Ops[i]
		if o.N > 1 && (o.Kind == corpus.Append || o.Kind == corpus.Crop) {
			o.N = max(2, o.N*s.Window/old)
		}
		if o.Kind == corpus.Append && !o.Odd(*s) { // it was, in the shape that was drawn
			*o = corpus.Op{Kind: corpus.Append, N: o.N, Pad: o.Pad}
		}
	}
}

// fitWorker makes a drawn case one that a worker can be asked: its element
// types, heads first, what it offers, and nothing of without.
func fitWorker(c *corpus.Case, h *worker.Hello, shape FixedShape, without []corpus.Feature) {
	if !slices.Contains(h.DTypes, c.Shape.DType) {
		c.Shape.DType = h.DTypes[int(c.Shape.DType)%len(h.DTypes)]
	}
	if c.Target.IsProgram() {
		// Compilers treat a row by vectors of 8 or 16, and what is left of it
		// otherwise: rows of a few elements, of some vectors, of many. On a GPU
		// two of three programs are large instead.
		if kind := c.Block % 3; kind == 0 || !gpuDevice.MatchString(h.Device) {
			c.Shape.Dim *= [...]int{1, 16, 64}[kind]
		} else {
			rows := 0
			for _, b := range c.Program.Buffers {
				rows = max(rows, b.Rows)
			}
			c.Shape.Batch, c.Shape.Heads, c.Shape.Dim = 1, 1, gpuCells/rows
			for c.Check(corpus.DefaultLimit) != nil && c.Shape.Dim > 1 {
				c.Shape.Dim /= 2
			}
		}
	}
	c.Block, c.Schedule = 1, inplace.Schedule{Kind: inplace.Native}
	c.Orders = nil
	c.Shape.Layout = impls.HeadsFirst
	if c.Shape.Window == 1 && slices.Contains(without, corpus.WindowOne) {
		c.Shape.Window = 2
	}
	shape.apply(c)
	keep := c.Ops[:0]
	var at corpus.Lengths
	for _, o := range c.Ops {
		of := at.Features(o, c.Shape)
		switch {
		case o.Kind == corpus.Crop && !h.Crop, o.Kind >= corpus.Snapshot && !h.Snapshot:
			continue
		case o.DType != "" && !slices.ContainsFunc(h.DTypes, func(d impls.DType) bool { return d.String() == o.DType }):
			continue
		case corpus.HasAny(of, without):
			continue
		}
		at.After(o, c.Shape)
		keep = append(keep, o)
	}
	c.Ops = keep
}

// runPrograms runs cases of programs on the worker, together. A program that
// the worker cannot run is a divergence of its own.
func (r *Runner) runPrograms(ctx context.Context, cases []*corpus.Case, programs []inplace.Program) ([]*corpus.Divergence, error) {
	jobs := make([]*worker.Job, len(cases))
	all := make([]*values, len(cases))
	for i, c := range cases {
		p, s := programs[i], c.Shape
		s.Layout = impls.HeadsFirst
		code, err := r.encoding(s)
		if err != nil {
			return nil, err
		}
		mem := make([][]byte, len(p.Buffers))
		for b := range mem {
			mem[b] = make([]byte, s.Lanes()*p.Buffers[b].Rows*s.RowBytes())
		}
		all[i] = newValues(p, s, code, mem)
		for _, stmt := range p.Stmts {
			all[i].statement(stmt)
		}
		jobs[i] = &worker.Job{Program: p}
		for b := range mem {
			jobs[i].Buffers = append(jobs[i].Buffers, impls.TensorOver(s, p.Buffers[b].Rows, mem[b]))
		}
	}
	err := r.Worker.RunPrograms(ctx, jobs)
	found := make([]*corpus.Divergence, len(cases))
	if err != nil {
		var refused *worker.RefusedError
		f := r.workerFault()
		if f == nil && !errors.As(err, &refused) {
			return nil, err
		}
		if f == nil {
			f = &corpus.Divergence{Tensor: "-", Fault: corpus.FaultRefused, Detail: refused.Reason}
		}
		for i, c := range cases {
			d := *f
			d.Op, d.OpKind = max(1, len(c.Program.Stmts)), corpus.WholeCase
			found[i] = &d
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
		if d := all[i].compare(mem); d != nil {
			d.Op, d.OpKind, d.Fault, d.Where = last, "statement", corpus.FaultRows, "stored"
			found[i] = d
		}
	}
	return found, nil
}

// huntPrograms runs a batch of programs on the worker, together, and each that
// went wrong alone.
func (r *Runner) huntPrograms(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	all := make([]*corpus.Divergence, 0, len(cases))
	programs := make([]inplace.Program, len(cases))
	for i, c := range cases {
		if err := r.check(c); err != nil {
			return nil, err
		}
		programs[i] = c.Program
	}
	r.c, r.op = cases[0], 0
	together, err := r.runPrograms(ctx, cases, programs)
	if err != nil {
		return nil, err
	}
	if len(cases) > 1 && together[0] != nil && together[0].OpKind == corpus.WholeCase {
		// The whole batch came to nothing: look for the program to blame.
		half := len(cases) / 2
		for _, part := range [][]*corpus.Case{cases[:half], cases[half:]} {
			found, err := r.huntPrograms(ctx, part)
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
			for k := 0; k < flakyRuns && d == nil; k++ {
				if d, err = r.Run(ctx, cases[i]); err != nil {
					return all, err
				}
			}
		}
		all = append(all, d)
	}
	return all, nil
}

// workerBatch is the programs of one compiled graph: a compiler takes seconds
// for a graph, and little more for thirty programs than for one.
const workerBatch = 32
