package hunt

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/shrink"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/props/run"
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
	// mostLost bounds the runs that a count leaves out because the worker ended, hung or
	// answered nonsense; with the last of them it ends. What kills a worker from outside
	// does so once or for a while; each such run takes until the time limit and a start,
	// and more of them in a row tell nothing new of the finding.
	mostLost = 5
	// stepsShare is the part of the time that the steps of the shrinker have:
	// the last count needs some too.
	stepsShare = 0.8
)

// The numbers of such a shrink where runs are quick: of what fails in one of fifty
// runs, ten runs most often show nothing. A finding that fails in not all of
// flakyRuns, and the smallest case in the end, are counted as Native counts: until
// enoughFailures in at least leastRuns, in mostRuns and for countTime at most.
const (
	// quickTries bounds the runs of a candidate: as many as it takes, twice over, to
	// see a failure of 1 in 50 with 95 %.
	quickTries = 300
	// quickTime is how long these may take, where that is for more than flakyTries:
	// the time for a shrink is that of some hundreds of candidates.
	quickTime = 100 * time.Millisecond
)

// DefaultShrinkTime bounds the shrinking of one finding in what is not ours, which
// may take seconds for each run. A run under way when the time is up is cut short.
const DefaultShrinkTime = 2 * time.Minute

// flaky is the shrink of one finding in what may fail sometimes.
type flaky struct {
	r    *Runner
	want corpus.Failure
	last *corpus.Divergence // of the last run that failed as wanted
	err  error              // of the last run, which then came to nothing
	// other is how the last run failed otherwise, nil if it did not; always, that of the
	// first of those counted, if each of them failed so.
	other, always *corpus.Divergence
	lost          int // runs that counts left out, the finding's own too
	// stopped: a run could not be made, or was cut short, as where a worker does not start
	// again. What was not tried then may be smaller.
	stopped bool
	// hangs: a run that fails takes the whole time limit. None is begun to be counted after
	// end, but for the first.
	hangs bool
	end   time.Time
	// quick: hundreds of runs take no time. most bounds those of a candidate.
	quick bool
	most  int

	// A candidate must fail in need of tries runs, the result in a share keep.
	tries, need int
	keep        float64
	kept        []keptCase     // that did, from the finding on, each smaller
	fitter      run.Fitter     // the backend, where it cannot be asked every case
	sim         run.SimMatcher // the backend, where it knows what sim makes of a case
}

// keptCase is a case that failed often enough, and how it did last.
type keptCase struct {
	c *corpus.Case
	d *corpus.Divergence
}

// minimizeForeign shrinks a finding in what is not ours, which may show in k of n runs
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
//
// Where runs are quick, a finding that fails each time is taken at its word first:
// see sure. What comes and goes gets hundreds of runs.
func (r *Runner) minimizeForeign(ctx context.Context, c *corpus.Case, d *corpus.Divergence, quick bool) (*corpus.Case, *corpus.Divergence, shrink.Stats, error) {
	limit := cmp.Or(r.ShrinkTime, DefaultShrinkTime)
	end := time.Now().Add(limit)
	whole, stop := context.WithDeadline(ctx, end)
	defer stop()
	steps, stopSteps := context.WithDeadline(ctx, end.Add(-time.Duration(float64(limit)*(1-stepsShare))))
	defer stopSteps()
	return r.shrinkFlaky(whole, steps, c, d, quick, 0)
}

// shrinkFlaky shrinks until steps ends, and counts until ctx does. So many runs were lost
// before.
func (r *Runner) shrinkFlaky(ctx, steps context.Context, c *corpus.Case, d *corpus.Divergence, quick bool, lost int) (*corpus.Case, *corpus.Divergence, shrink.Stats, error) {
	c = c.Clone()
	want := d.Failure(c.Target)
	all := ctx
	ctx, steps = context.WithValue(ctx, allTime{}, all), context.WithValue(steps, allTime{}, all)
	f := &flaky{r: r, want: want, last: d, kept: []keptCase{{c, d}}, quick: quick, most: flakyTries, lost: lost}
	backend, err := r.Of(c.Target)
	if err != nil {
		return nil, nil, shrink.Stats{}, err
	}
	f.fitter, _ = backend.(run.Fitter)
	f.sim, _ = backend.(run.SimMatcher)
	again := f.count(steps, c, flakyRuns)
	if f.want.Fault.OfProcess() && f.always != nil && !f.always.Fault.OfProcess() {
		// The run that found it was lost. What each run since shows is the finding.
		return r.shrinkFlaky(ctx, steps, c, f.always, quick, f.lost+1)
	}
	if quick && again != nil && again.Of > 0 {
		if again.Wrong == flakyRuns {
			if small, d, stats := f.sure(ctx, steps, c, d); small != nil {
				return small, d, stats, nil
			}
		}
		from := time.Now()
		if again = f.countQuick(steps, c); again != nil {
			f.most = max(flakyTries, min(quickTries, int(quickTime*time.Duration(again.Of)/max(1, time.Since(from)))))
		}
	}
	d.Runs = again
	if again == nil || again.Wrong == 0 { // seen once: nothing to steer by
		c.Expect = d.Expect()
		stats := shrink.Stats{Bounded: true}
		if again != nil {
			stats.Runs = again.Of
		}
		return c, d, stats, nil
	}
	d = f.last
	d.Runs, f.kept[0].d = again, d
	f.rule(float64(again.Wrong) / float64(again.Of))
	start, fails := c, func(c *corpus.Case) bool { return f.try(steps, c) }
	if cut := cutAfter(c, d); shorter(cut, c) && fails(cut) {
		start = cut
	}
	if d.Sim != nil && f.sim != nil {
		start = f.startOnSim(steps, c, d)
		fails = func(c *corpus.Case) bool { return f.failsOnSim(steps, c, d) && f.try(steps, c) }
	}
	// A candidate that failed too rarely in hundreds of runs is not asked for again.
	small, stats := shrink.Steps(steps, start, f.quick || f.need == f.tries, fails)
	stats.Runs += again.Of
	stats.Bounded = stats.Bounded || f.stopped
	if d.Sim != nil {
		if c, alone := f.isolate(steps, small, d); alone != nil {
			return r.shrinkFlaky(ctx, steps, c, alone, quick, f.lost)
		}
	}
	best, runs := f.confirm(ctx)
	stats.Runs += runs
	small, d = best.c.Clone(), best.d
	small.Expect = d.Expect()
	return small, d, stats, nil
}

// sure shrinks a finding that failed in each of flakyRuns as what does so always: a
// run a candidate, and with proof in the end. The smallest case must then fail in
// each of confirmRuns; nil if it does not.
func (f *flaky) sure(ctx, steps context.Context, c *corpus.Case, d *corpus.Divergence) (*corpus.Case, *corpus.Divergence, shrink.Stats) {
	first := f.last
	fails := func(c *corpus.Case) bool { return f.offered(c) && f.failsOrLost(steps, c) }
	start := c
	if cut := cutAfter(c, d); shorter(cut, c) && fails(cut) {
		start = cut
	}
	small, stats := shrink.Case(steps, start, fails)
	stats.Bounded = stats.Bounded || f.stopped
	runs := f.count(ctx, small, confirmRuns)
	stats.Runs += flakyRuns
	if runs != nil {
		stats.Runs += runs.Of
	}
	if runs != nil && runs.Wrong < runs.Of {
		f.last = first
		return nil, nil, stats
	}
	small, d = small.Clone(), f.last
	d.Runs = runs
	small.Expect = d.Expect()
	return small, d, stats
}

// rule sets what is asked of a candidate, the finding having failed in a share of
// its runs. Where that was all, it is taken to fail always: two runs, both wrong.
func (f *flaky) rule(share float64) {
	f.keep, f.tries, f.need = keptShare, 2, 2
	if share < 1 {
		f.keep = min(keptShare*share, enoughShare)
		f.tries = min(f.most, int(2*math.Ceil(math.Log(0.05)/math.Log(1-share))))
		f.need = max(1, int(math.Round(f.keep*float64(f.tries))))
	}
}

// allTime is the key of the context of all the time that a shrink has.
type allTime struct{}

// ofRuns is the context of a run that is begun in ctx.
func ofRuns(ctx context.Context) context.Context {
	if all, ok := ctx.Value(allTime{}).(context.Context); ok {
		return all
	}
	return ctx
}

// fails runs a case once, if ctx has not ended. A run that has begun then goes on while
// there is time at all: a worker that is cut short is killed, and to start one anew takes
// as long as the next finding has.
func (f *flaky) fails(ctx context.Context, c *corpus.Case) bool {
	if f.other = nil; ctx.Err() != nil {
		return false
	}
	var d *corpus.Divergence
	d, f.err = f.r.One(ofRuns(ctx), c)
	var skipped *run.SkippedError
	f.stopped = f.stopped || f.err != nil && !errors.As(f.err, &skipped)
	if f.err != nil || d == nil {
		return false
	}
	if d.Failure(c.Target) != f.want {
		f.other = d
		return false
	}
	f.last = d
	return true
}

// lostRun reports whether the last run came to nothing because the worker ended, hung or
// answered nonsense. Where the finding is of that kind, it says something.
func (f *flaky) lostRun() bool {
	return f.other != nil && f.other.Fault.OfProcess() && !f.want.Fault.OfProcess()
}

// failsOrLost is fails of a candidate: a run that was lost is done once more.
func (f *flaky) failsOrLost(ctx context.Context, c *corpus.Case) bool {
	return f.fails(ctx, c) || f.lostRun() && f.fails(ctx, c)
}

// count runs a case n times, or as often as there is time for and a run comes to its end:
// nil if there was no run. Those that were lost are none of these, mostLost at most. What
// fails now at one operation and now at another is counted at the one where it fails most
// often, for that is what the case will expect; last is then of such a run.
func (f *flaky) count(ctx context.Context, c *corpus.Case, n int) *corpus.Runs {
	return f.countUntil(ctx, c, n, n+1)
}

// countQuick is count where runs are quick: in as many runs as it takes to say how
// often a case fails.
func (f *flaky) countQuick(ctx context.Context, c *corpus.Case) *corpus.Runs {
	counting, stop := context.WithTimeout(ctx, countTime)
	defer stop()
	return f.countUntil(counting, c, mostRuns, enoughFailures)
}

// countUntil is count that ends once the case has failed often enough.
func (f *flaky) countUntil(ctx context.Context, c *corpus.Case, n, enough int) *corpus.Runs {
	all, best := 0, &corpus.Runs{}
	at := map[int]*corpus.Runs{} // by operation
	last := f.last
	lost, others := 0, 0
	f.always = nil
	for all < n && lost < mostLost && (best.Wrong < enough || all < leastRuns) {
		if ctx.Err() != nil {
			break
		}
		failed := f.fails(ctx, c)
		if f.err != nil || ofRuns(ctx).Err() != nil {
			break // that run was cut short, or none: a worker may not start again
		}
		if f.lostRun() {
			lost++
			continue
		}
		all++
		if !failed {
			if f.other != nil && (f.always == nil || f.other.Failure(c.Target) == f.always.Failure(c.Target)) {
				f.always = cmp.Or(f.always, f.other)
				others++
			}
			continue
		}
		runs := at[f.last.Op]
		if runs == nil {
			runs = &corpus.Runs{}
			at[f.last.Op] = runs
		}
		if runs.Add(f.last.Wrong); runs == best || runs.Wrong > best.Wrong {
			best, last = runs, f.last
		}
	}
	if others < all {
		f.always = nil
	}
	if all+lost == 0 {
		return nil
	}
	f.lost += lost
	f.last, best.Of, best.Lost = last, all, f.lost
	return best
}

// offered says whether the backend can be asked.
func (f *flaky) offered(c *corpus.Case) bool { return f.fitter == nil || f.fitter.Takes(c) }

// try keeps a candidate that fails often enough.
func (f *flaky) try(ctx context.Context, c *corpus.Case) bool {
	if !f.offered(c) {
		return false
	}
	failed := 0
	for left := f.tries; left >= f.need-failed; left-- {
		if f.failsOrLost(ctx, c) {
			failed++
		}
		if failed == f.need {
			f.kept = append(f.kept, keptCase{c.Clone(), f.last})
			return true
		}
	}
	return false
}

// failsOnSim says whether sim fails on a candidate as it does on the finding d.
func (f *flaky) failsOnSim(ctx context.Context, c *corpus.Case, d *corpus.Divergence) bool {
	if !f.offered(c) {
		return false
	}
	var on corpus.Divergence
	f.sim.MatchOnSim(ctx, c, &on)
	return on.Sim != nil && on.Sim.Target == d.Sim.Target && on.Kind() == d.Kind()
}

// startOnSim is the finding c, or what sim alone makes of it where the worker
// fails on that too: as it is, or in the shape that was found.
func (f *flaky) startOnSim(ctx context.Context, c *corpus.Case, d *corpus.Divergence) *corpus.Case {
	small, _ := shrink.Steps(ctx, c, true, func(c *corpus.Case) bool { return f.failsOnSim(ctx, c, d) })
	wide := small.Clone()
	wide.Shape = c.Shape
	switch {
	case f.try(ctx, small):
		return small
	case f.try(ctx, wide):
		return wide
	}
	return c
}

// isolate looks for a part of a program that the worker fails in and sim does not: what is
// left without a statement, or a statement alone. The two then failed for different reasons,
// each for the sake of its own statements: what is left are two faults, and the worker's is
// the finding.
func (f *flaky) isolate(ctx context.Context, small *corpus.Case, d *corpus.Divergence) (*corpus.Case, *corpus.Divergence) {
	for _, stmts := range partsOf(small.Program.Stmts) {
		c := small.Clone()
		c.Program.Stmts = stmts
		for k := 0; k < f.tries && len(stmts) > 0 && c.Check(corpus.DefaultLimit) == nil; k++ {
			if ctx.Err() != nil {
				return nil, nil
			}
			alone, err := f.r.One(ofRuns(ctx), c)
			if err == nil && alone != nil && alone.Fault == d.Fault && alone.Sim == nil {
				return c, alone
			}
		}
	}
	return nil, nil
}

// partsOf is the statements without each of them, then each alone with the definitions of
// what it reads: sim may fail for two of the others, and then it does without either.
func partsOf(stmts []inplace.Stmt) (parts [][]inplace.Stmt) {
	for i := range stmts {
		parts = append(parts, slices.Delete(slices.Clone(stmts), i, i+1))
	}
	for i, s := range stmts {
		if !s.Define && len(stmts) > 2 { // of two each is alone without the other
			parts = append(parts, withDefinitions(stmts[:i], s))
		}
	}
	return parts
}

// confirm runs the smallest case of those kept, and larger ones until one fails
// often enough; it is the one that fails most often where none does, and the
// one counted last, or the smallest where there was no time to count any, where none
// fails any more.
func (f *flaky) confirm(ctx context.Context) (best keptCase, runs int) {
	most := 0.0
	last := len(f.kept) - 1
	best = f.kept[last]
	for i, k := range slices.Backward(f.kept) {
		n := f.confirmCount(ctx, k.c)
		if n == nil {
			break
		}
		runs += n.Of
		if n.Of == 0 { // all of them were lost
			if best.d.Runs == nil {
				best.d.Runs = n
			}
			break
		}
		if n.Wrong == 0 && most == 0 {
			best = k
			best.d.Runs = n // seen, and not since
		}
		share := float64(n.Wrong) / float64(n.Of)
		if share > most {
			best, most = keptCase{k.c, f.last}, share
			best.d.Runs, best.d.Smallest = n, nil
			if i < last {
				best.d.Smallest = f.kept[last].c
			}
		}
		if share >= f.keep {
			break
		}
	}
	return best, runs
}

// confirmCount is the count that is reported of a case.
func (f *flaky) confirmCount(ctx context.Context, c *corpus.Case) *corpus.Runs {
	switch {
	case f.hangs:
		return f.countHangs(ctx, c, hangRuns)
	case f.quick:
		return f.countQuick(ctx, c)
	}
	return f.count(ctx, c, confirmRuns)
}
