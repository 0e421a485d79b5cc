package props

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// runWorker runs a case on the worker, which gets a fresh process where the one
// before is gone.
func (r *Runner) runWorker(c *corpus.Case) (*corpus.Divergence, error) {
	if r.Worker == nil {
		return nil, fmt.Errorf("%s is a worker: name its command with --exec 'COMMAND ARG …'", c.Target)
	}
	r.c, r.window, r.op = c, nil, 0
	r.order = r.orderOf(c.Schedule)
	if p, ok := c.TheProgram(); ok {
		all, err := r.runPrograms([]*corpus.Case{c}, []impls.Program{p})
		if err != nil {
			return nil, err
		}
		if d := all[0]; d != nil && d.Fault == corpus.FaultRows {
			r.liken(c, d)
		}
		return all[0], nil
	}
	d, err := r.runOnce(c)
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
			again, err := r.runOnce(x.c)
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
func (r *Runner) runOnce(c *corpus.Case) (*corpus.Divergence, error) {
	r.c, r.op, r.refused = c, 0, 0
	err := r.Worker.New(c.Shape)
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
	hello, err := r.Worker.Hello()
	if err != nil {
		return nil, err
	}
	judge := single
	if hello.Contract == "chunks" {
		judge = chunks
	}
	return r.runCache(r.Worker, judge)
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

// fitWorker makes a drawn case one that a worker can be asked: its element
// types, heads first, what it offers, and nothing of without.
func fitWorker(c *corpus.Case, h *worker.Hello, shape *impls.Shape, without []Feature) {
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
	c.Block, c.Schedule = 1, impls.Schedule{Kind: impls.Native}
	c.Orders = nil
	c.Shape.Layout = impls.HeadsFirst
	if c.Shape.Window == 1 && slices.Contains(without, WindowOne) {
		c.Shape.Window = 2
	}
	if shape != nil {
		// A chunk keeps its share of the window, so that what filled it still
		// does.
		for i := range c.Ops {
			if o := &c.Ops[i]; o.N > 1 && (o.Kind == corpus.Append || o.Kind == corpus.Crop) {
				o.N = max(2, o.N*shape.Window/c.Shape.Window)
			}
		}
		c.Shape = *shape
	}
	keep := c.Ops[:0]
	var at tokens
	for _, o := range c.Ops {
		of := at.features(o, c.Shape)
		switch {
		case o.Kind == corpus.Crop && !h.Crop, o.Kind >= corpus.Snapshot && !h.Snapshot:
			continue
		case o.DType != "" && !slices.ContainsFunc(h.DTypes, func(d impls.DType) bool { return d.String() == o.DType }):
			continue
		case anyOf(of, without):
			continue
		}
		at.after(o, c.Shape)
		keep = append(keep, o)
	}
	c.Ops = keep
}

// runPrograms runs cases of programs on the worker, together. A program that
// the worker cannot run is a divergence of its own.
func (r *Runner) runPrograms(cases []*corpus.Case, programs []impls.Program) ([]*corpus.Divergence, error) {
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
	err := r.Worker.RunPrograms(jobs)
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

// The numbers of a shrink of what may fail only sometimes.
const (
	// flakyRuns is how often a finding is run again to learn how often it
	// fails.
	flakyRuns = 10
	// flakyTries bounds the runs of a candidate. Where the finding fails k times
	// of flakyRuns, a candidate is run twice as often as it takes to see one
	// such failure with 95 %, but at most as often as that takes for 1 of 10.
	flakyTries = 28
	// confirmRuns is how often the smallest case is run in the end.
	confirmRuns = 20
	// A candidate must fail in half of the share of runs in which the finding
	// did: a smaller shape shows a race more rarely, and one run of twenty
	// convinces nobody. But one of five is enough, where the finding did not
	// fail in all: fewer operations are worth more than more failures.
	keptShare   = 0.5
	enoughShare = 0.2
)

// DefaultShrinkTime bounds the shrinking of one finding of a worker, which may
// take seconds for each run.
const DefaultShrinkTime = 2 * time.Minute

// minimizeWorker shrinks a finding of a worker, which may show in k of n runs
// only. A candidate is kept when it shows the same failure as often as the tries
// that its chance asks for; a candidate that does not is no proof that it cannot,
// so the result claims no minimality. In the end the smallest case is run again,
// and if it fails far more rarely than the finding did, the one before it, and so
// on, so that a race is not shrunk away.
//
// A program is shrunk on sim first, under the lowering that loses the same check,
// and a candidate that is right there is not tried. Where the smallest there is
// right on the worker, its statements are tried at the size found: a GPU shows a
// race in large shapes alone.
func (r *Runner) minimizeWorker(ctx context.Context, c *corpus.Case, d *corpus.Divergence) (*corpus.Case, *corpus.Divergence, corpus.ShrinkStats, error) {
	c = c.Clone()
	c.Expect = d.Expect()
	if d.Fault == corpus.FaultHang { // each run takes the whole time limit
		return c, d, corpus.ShrinkStats{Bounded: true}, nil
	}
	hunt := ctx
	ctx, stop := context.WithTimeout(hunt, cmp.Or(r.ShrinkTime, DefaultShrinkTime))
	defer stop()
	want := d.Failure(c.Target)
	last := d
	fails := func(c *corpus.Case) bool {
		if ctx.Err() != nil {
			return false
		}
		d, err := r.Run(c)
		if err != nil || d == nil || d.Failure(c.Target) != want {
			return false
		}
		last = d
		return true
	}
	count := func(c *corpus.Case, n int) *corpus.Runs {
		runs := &corpus.Runs{}
		for runs.Of < n && (runs.Of == 0 || ctx.Err() == nil) {
			runs.Of++
			if fails(c) {
				if runs.Wrong++; runs.Wrong == 1 {
					runs.Least, runs.Most = last.Wrong, last.Wrong
				}
				runs.Least, runs.Most = min(runs.Least, last.Wrong), max(runs.Most, last.Wrong)
			}
		}
		return runs
	}
	again := count(c, flakyRuns)
	if again.Wrong == 0 { // seen once: nothing to steer by
		d.Runs = again
		return c, d, corpus.ShrinkStats{Runs: again.Of, Bounded: true}, nil
	}
	share := float64(again.Wrong) / float64(again.Of)
	// Where it failed in all runs, it is taken to do so: two runs, both fail.
	keep, tries, need := keptShare, 2, 2
	if share < 1 {
		keep = min(keptShare*share, enoughShare)
		tries = min(flakyTries, int(2*math.Ceil(math.Log(0.05)/math.Log(1-share))))
		need = max(1, int(math.Round(keep*float64(tries))))
	}
	hello, err := r.Worker.Hello()
	if err != nil {
		return nil, nil, corpus.ShrinkStats{}, err
	}
	// A worker has no blocks and no order, and not every element type; and what
	// the hunt leaves out stays out.
	offered := func(c *corpus.Case) bool {
		return c.Schedule.Kind == impls.Native && c.Block == 1 && slices.Contains(hello.DTypes, c.Shape.DType) &&
			!anyOf(FeaturesOf(c), r.Without)
	}
	kept := []*corpus.Case{c}
	try := func(c *corpus.Case) bool {
		if !offered(c) {
			return false
		}
		failed := 0
		for left := tries; left >= need-failed; left-- {
			if fails(c) {
				failed++
			}
			if failed == need {
				kept = append(kept, c.Clone())
				return true
			}
		}
		return false
	}
	start, steer := c, func(*corpus.Case) bool { return true }
	if d.Sim != nil {
		steer = func(c *corpus.Case) bool {
			if !offered(c) {
				return false
			}
			var on corpus.Divergence
			r.liken(c, &on)
			return on.Sim != nil && on.Sim.Target == d.Sim.Target && on.Kind() == d.Kind()
		}
		small, _ := corpus.ShrinkSteps(ctx, c, steer)
		wide := small.Clone()
		wide.Shape = c.Shape
		if try(small) {
			start = small
		} else if try(wide) {
			start = wide
		}
	}
	small, stats := corpus.ShrinkSteps(ctx, start, func(c *corpus.Case) bool { return steer(c) && try(c) })
	stats.Runs += again.Of
	if d.Sim != nil {
		// The worker and sim may have failed for different reasons, each for the
		// sake of its own statements. Then what is left is two faults, and the
		// worker's alone is the finding.
		for i := range small.Program.Stmts {
			c := small.Clone()
			c.Program.Stmts = slices.Delete(c.Program.Stmts, i, i+1)
			for k := 0; k < tries && len(c.Program.Stmts) > 0 && c.Check(corpus.DefaultLimit) == nil; k++ {
				alone, err := r.Run(c)
				if err == nil && alone != nil && alone.Fault == d.Fault && alone.Sim == nil {
					return r.minimizeWorker(hunt, c, alone)
				}
			}
		}
	}
	// What is left of the time is not for the last count.
	ctx, stop = context.WithTimeout(context.WithoutCancel(ctx), cmp.Or(r.ShrinkTime, DefaultShrinkTime))
	defer stop()
	best, least := -1, 0.0
	for i := len(kept) - 1; i >= 0 && best < 0; i-- {
		runs := count(kept[i], confirmRuns)
		stats.Runs += runs.Of
		if runs.Wrong == 0 {
			continue
		}
		share := float64(runs.Wrong) / float64(runs.Of)
		if share > least {
			small, d, least = kept[i].Clone(), last, share
			d.Runs = runs
		}
		if i == 0 || share >= keep {
			best = i
		}
	}
	if end := kept[len(kept)-1]; corpus.Compare(end, small) < 0 {
		d.Smallest = end
	}
	small.Expect = d.Expect()
	return small, d, stats, nil
}

// liken looks for the known-bad lowering and the order under which sim fails on
// a program too, and gives the divergence that case and its hazard.
func (r *Runner) liken(c *corpus.Case, d *corpus.Divergence) {
	for _, how := range []impls.Lowering{impls.DropClone, impls.DropWAR} {
		for _, order := range []impls.ScheduleKind{impls.Ascending, impls.Descending} {
			on := c.Clone()
			on.Target = impls.Target{Update: "program", Lowering: how, Device: "sim"}
			on.Program = worker.Cloned(c.Program) // as the worker has it
			on.Schedule = impls.Schedule{Kind: order}
			// A block a row, as large shapes have. The cells of a row share its
			// fate, so one is enough: a hunt on a GPU has rows of a million.
			on.Shape.Dim, on.Block = 1, 1
			same, err := r.Run(on)
			if err == nil && same != nil {
				on.Expect = same.Expect()
				d.Sim, d.Race = on, same.Race
				return
			}
		}
	}
}

// huntPrograms runs a batch of programs on the worker, together, and each that
// went wrong alone.
func (r *Runner) huntPrograms(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	all := make([]*corpus.Divergence, 0, len(cases))
	programs := make([]impls.Program, len(cases))
	for i, c := range cases {
		if err := r.check(c); err != nil {
			return nil, err
		}
		programs[i] = c.Program
	}
	r.c, r.op = cases[0], 0
	together, err := r.runPrograms(cases, programs)
	if err != nil {
		return nil, err
	}
	if len(cases) > 1 && together[0] != nil && together[0].OpKind == corpus.WholeCase {
		// The whole batch came to nothing: look for the program to blame.
		half := len(cases) / 2
		for _, part := range [][]*corpus.Case{cases[:half], cases[half:]} {
			if ctx.Err() != nil {
				break
			}
			found, err := r.huntPrograms(ctx, part)
			if err != nil {
				return nil, err
			}
			all = append(all, found...)
		}
		return all, nil
	}
	for i, d := range together {
		if ctx.Err() != nil {
			return all, nil
		}
		if d != nil && len(cases) > 1 {
			// Alone, and more than once: a race need not show each time.
			d = nil
			for k := 0; k < flakyRuns && d == nil && ctx.Err() == nil; k++ {
				if d, err = r.Run(cases[i]); err != nil {
					return nil, err
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
