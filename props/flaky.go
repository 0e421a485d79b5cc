package props

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

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

// flaky is the shrink of one finding of a worker.
type flaky struct {
	r    *Runner
	ctx  context.Context
	want corpus.Failure
	last *corpus.Divergence // of the last run that failed as wanted

	// A candidate must fail in need of tries runs, the result in a share keep.
	tries, need int
	keep        float64
	kept        []*corpus.Case // that did, from the finding on, each smaller
	dtypes      []impls.DType  // of the worker
}

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
func (r *Runner) minimizeWorker(hunt context.Context, c *corpus.Case, d *corpus.Divergence) (*corpus.Case, *corpus.Divergence, corpus.ShrinkStats, error) {
	c = c.Clone()
	c.Expect = d.Expect()
	if d.Fault == corpus.FaultHang { // each run takes the whole time limit
		return c, d, corpus.ShrinkStats{Bounded: true}, nil
	}
	ctx, stop := context.WithTimeout(hunt, cmp.Or(r.ShrinkTime, DefaultShrinkTime))
	defer stop()
	f := &flaky{r: r, ctx: ctx, want: d.Failure(c.Target), last: d, kept: []*corpus.Case{c}}
	again := f.count(c, flakyRuns)
	if again.Wrong == 0 { // seen once: nothing to steer by
		d.Runs = again
		return c, d, corpus.ShrinkStats{Runs: again.Of, Bounded: true}, nil
	}
	f.rule(float64(again.Wrong) / float64(again.Of))
	hello, err := r.Worker.Hello()
	if err != nil {
		return nil, nil, corpus.ShrinkStats{}, err
	}
	f.dtypes = hello.DTypes
	start, fails := c, f.try
	if d.Sim != nil {
		start = f.startOnSim(c, d)
		fails = func(c *corpus.Case) bool { return f.failsOnSim(c, d) && f.try(c) }
	}
	small, stats := corpus.ShrinkSteps(ctx, start, fails)
	stats.Runs += again.Of
	if d.Sim != nil {
		if c, alone := f.alone(small, d); alone != nil {
			return r.minimizeWorker(hunt, c, alone)
		}
	}
	// The last count has a time of its own.
	f.ctx, stop = context.WithTimeout(hunt, cmp.Or(r.ShrinkTime, DefaultShrinkTime))
	defer stop()
	if c, end, runs := f.confirm(); end != nil {
		small, d = c, end
		stats.Runs += runs
	}
	small.Expect = d.Expect()
	return small, d, stats, nil
}

// rule sets what is asked of a candidate, the finding having failed in a share of
// its runs. Where that was all, it is taken to fail always: two runs, both wrong.
func (f *flaky) rule(share float64) {
	f.keep, f.tries, f.need = keptShare, 2, 2
	if share < 1 {
		f.keep = min(keptShare*share, enoughShare)
		f.tries = min(flakyTries, int(2*math.Ceil(math.Log(0.05)/math.Log(1-share))))
		f.need = max(1, int(math.Round(f.keep*float64(f.tries))))
	}
}

// fails runs a case once.
func (f *flaky) fails(c *corpus.Case) bool {
	if f.ctx.Err() != nil {
		return false
	}
	d, err := f.r.Run(c)
	if err != nil || d == nil || d.Failure(c.Target) != f.want {
		return false
	}
	f.last = d
	return true
}

// count runs a case n times.
func (f *flaky) count(c *corpus.Case, n int) *corpus.Runs {
	runs := &corpus.Runs{}
	for runs.Of < n && (runs.Of == 0 || f.ctx.Err() == nil) {
		runs.Of++
		if f.fails(c) {
			if runs.Wrong++; runs.Wrong == 1 {
				runs.Least, runs.Most = f.last.Wrong, f.last.Wrong
			}
			runs.Least, runs.Most = min(runs.Least, f.last.Wrong), max(runs.Most, f.last.Wrong)
		}
	}
	return runs
}

// offered says whether a worker can be asked: it has no blocks and no order, and
// not every element type; and what the hunt leaves out stays out.
func (f *flaky) offered(c *corpus.Case) bool {
	return c.Schedule.Kind == impls.Native && c.Block == 1 && slices.Contains(f.dtypes, c.Shape.DType) &&
		!anyOf(FeaturesOf(c), f.r.Without)
}

// try keeps a candidate that fails often enough.
func (f *flaky) try(c *corpus.Case) bool {
	if !f.offered(c) {
		return false
	}
	failed := 0
	for left := f.tries; left >= f.need-failed; left-- {
		if f.fails(c) {
			failed++
		}
		if failed == f.need {
			f.kept = append(f.kept, c.Clone())
			return true
		}
	}
	return false
}

// failsOnSim says whether sim fails on a candidate as it does on the finding d.
func (f *flaky) failsOnSim(c *corpus.Case, d *corpus.Divergence) bool {
	if !f.offered(c) {
		return false
	}
	var on corpus.Divergence
	f.r.liken(c, &on)
	return on.Sim != nil && on.Sim.Target == d.Sim.Target && on.Kind() == d.Kind()
}

// startOnSim is the finding c, or what sim alone makes of it where the worker
// fails on that too: as it is, or in the shape that was found.
func (f *flaky) startOnSim(c *corpus.Case, d *corpus.Divergence) *corpus.Case {
	small, _ := corpus.ShrinkSteps(f.ctx, c, func(c *corpus.Case) bool { return f.failsOnSim(c, d) })
	wide := small.Clone()
	wide.Shape = c.Shape
	switch {
	case f.try(small):
		return small
	case f.try(wide):
		return wide
	}
	return c
}

// alone looks for a statement without which the worker still fails and sim does
// not. The two then failed for different reasons, each for the sake of its own
// statements: what is left are two faults, and the worker's is the finding.
func (f *flaky) alone(small *corpus.Case, d *corpus.Divergence) (*corpus.Case, *corpus.Divergence) {
	for i := range small.Program.Stmts {
		c := small.Clone()
		c.Program.Stmts = slices.Delete(c.Program.Stmts, i, i+1)
		for k := 0; k < f.tries && len(c.Program.Stmts) > 0 && c.Check(corpus.DefaultLimit) == nil; k++ {
			alone, err := f.r.Run(c)
			if err == nil && alone != nil && alone.Fault == d.Fault && alone.Sim == nil {
				return c, alone
			}
		}
	}
	return nil, nil
}

// confirm runs the smallest case of those kept, and larger ones until one fails
// often enough; it is the one that fails most often where none does. The
// divergence is nil where none fails any more.
func (f *flaky) confirm() (c *corpus.Case, d *corpus.Divergence, runs int) {
	most := 0.0
	for i, k := range slices.Backward(f.kept) {
		n := f.count(k, confirmRuns)
		runs += n.Of
		share := float64(n.Wrong) / float64(n.Of)
		if share > most {
			c, d, most = k.Clone(), f.last, share
			d.Runs, d.Smallest = n, nil
			if i < len(f.kept)-1 {
				d.Smallest = f.kept[len(f.kept)-1]
			}
		}
		if share >= f.keep {
			break
		}
	}
	return c, d, runs
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
