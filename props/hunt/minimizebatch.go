package hunt

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/shrink"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// hangRuns is how many hangs of a batch are counted: each takes the whole time limit.
const hangRuns = 3

// programsShare is the part of the time until which the programs of a batch are made smaller:
// then it is seen whether each of them still has to stay.
const programsShare = 0.7

// minimizeBatch leaves programs out of a batch while what is left fails as all of them did,
// makes those that have to stay smaller, and counts how often they do so. If one of them does
// so alone, as it was found or once it is smaller, that one is shrunk instead.
//
// What hangs keeps its programs as they are: each candidate would take the whole time limit.
// Of what hangs a run is not cut short, for that says nothing: none is begun once the time
// is up, but for the first of those that are counted.
func (r *Runner) minimizeBatch(ctx context.Context, c *corpus.Case, d *corpus.Divergence) (*corpus.Case, *corpus.Divergence, shrink.Stats, error) {
	limit := cmp.Or(r.ShrinkTime, DefaultShrinkTime)
	end := time.Now().Add(limit)
	hangs := d.Fault == corpus.FaultHang
	whole := ctx
	if !hangs {
		var stop context.CancelFunc
		whole, stop = context.WithDeadline(ctx, end)
		defer stop()
	}
	whole = context.WithValue(whole, allTime{}, whole)
	steps, stop := context.WithDeadline(whole, end.Add(-time.Duration(float64(limit)*(1-stepsShare))))
	defer stop()
	var stats shrink.Stats
	batch, first := c.Clone(), d
	batch.Expect = nil
	if d.Batch != nil {
		if batch = d.Batch.Clone(); !hangs { // of a hang each was tried alone
			own := &flaky{r: r, want: d.Failure(c.Target), last: d}
			own.want.OpKind = corpus.WholeCase
			again := own.count(steps, c, flakyRuns)
			if again != nil && again.Wrong > 0 {
				return r.shrinkFlaky(whole, steps, c, own.last, false, 0)
			}
			if again != nil {
				stats.Runs = again.Of
			}
		}
	}
	backends := *r.Backends
	// All of them ran together, which may take more than a case may.
	backends.Limit = max(cmp.Or(backends.Limit, corpus.DefaultLimit), batch.Bytes())
	f := &flaky{
		r: &Runner{Backends: &backends, ShrinkTime: r.ShrinkTime}, want: d.Failure(batch.Target), last: d, kept: []keptCase{{batch, d}}, most: flakyTries,
		hangs: hangs, end: end,
	}
	backend, err := r.Of(batch.Target)
	if err != nil {
		return nil, nil, stats, err
	}
	f.fitter, _ = backend.(run.Fitter)
	var again *corpus.Runs
	from := time.Now()
	if hangs {
		again = f.countHangs(whole, batch, 1)
	} else {
		again = f.count(steps, batch, flakyRuns)
	}
	took := time.Since(from)
	if again != nil {
		stats.Runs += again.Of
	}
	if again == nil || again.Wrong == 0 { // seen once: nothing to steer by
		seen := *first
		seen.Batch, seen.Runs = nil, again
		batch.Expect, stats.Bounded = seen.Expect(), true
		return batch, &seen, stats, nil
	}
	d = f.last
	d.Runs, f.kept[0].d = again, d
	if f.rule(float64(again.Wrong) / float64(again.Of)); hangs {
		f.tries, f.need = 1, 1
		// There must be time for a hang, and for one of what is left in the end.
		var stop context.CancelFunc
		steps, stop = context.WithDeadline(steps, end.Add(-2*took))
		defer stop()
	}
	programs, stopPrograms := context.WithDeadline(steps, end.Add(-time.Duration(float64(limit)*(1-programsShare))))
	defer stopPrograms()
	least, needed, runs, done := f.smallerBatch(steps, programs, batch)
	stats.Runs += runs
	if len(least) == 1 {
		if hangs {
			return r.Minimize(ctx, least[0], f.last)
		}
		return r.shrinkFlaky(whole, steps, least[0], f.last, false, f.lost)
	}
	best := keptCase{batch, d}
	if len(f.kept) > 1 || !hangs || time.Now().Before(end) {
		best, runs = f.confirm(whole)
		stats.Runs += runs
	}
	stats.Bounded = f.stopped || !done
	small, result := best.c.Clone(), *best.d
	result.Smallest = nil // it may have fewer programs, and no smaller shape
	switch {
	case result.OpKind != corpus.AmongOthers:
	case slices.Contains(needed, string(small.Text())):
		result.Detail += ": without any one of them it was not seen"
	case best.c == batch:
		result.Detail = first.Detail
	}
	small.Expect = result.Expect()
	return small, &result, stats, nil
}

// smallerBatch leaves programs out of a batch until ctx ends, and makes those that have to stay
// smaller until the context of programs does. needed are the texts of the batches of which no
// program could be left out. It reports whether all came to its end.
func (f *flaky) smallerBatch(ctx, programs context.Context, batch *corpus.Case) (least []*corpus.Case, needed []string, runs int, done bool) {
	least, done = batch.Each(), true
	for shrunk := false; ; shrunk = true {
		left, all := f.leaveOut(ctx, corpus.Batch(least))
		if all {
			needed = append(needed, string(corpus.Batch(left).Text()))
		}
		done = done && all
		if !done || f.hangs || len(left) == 1 || shrunk && len(left) == len(least) {
			return left, needed, runs, done
		}
		var stats shrink.Stats
		least, stats = f.shrinkEach(programs, left)
		runs += stats.Runs
		done = !stats.Bounded
	}
}

// leaveOut leaves out half of the programs of a batch, then quarters, and so on to single
// ones, until each of those that are left has to stay. It reports whether that came to its
// end.
func (f *flaky) leaveOut(ctx context.Context, batch *corpus.Case) (left []*corpus.Case, done bool) {
	left = batch.Each()
	for size := len(left) / 2; size > 0; {
		less := false
		for at := 0; at < len(left) && len(left) > 1; {
			rest := slices.Concat(left[:at], left[min(len(left), at+size):])
			failed := len(rest) > 0 && f.failTogether(ctx, rest)
			if ctx.Err() != nil || f.stopped {
				return left, false
			}
			if failed {
				left, less = rest, true
			} else {
				at += size
			}
		}
		if size > 1 || !less {
			size /= 2
		}
	}
	return left, true
}

// shrinkEach makes the programs of a batch smaller, one at a time and each beside the others
// as they are by then, until that helps none of them.
func (f *flaky) shrinkEach(ctx context.Context, programs []*corpus.Case) (small []*corpus.Case, stats shrink.Stats) {
	small = slices.Clone(programs)
	most := corpus.Batch(small).Bytes()
	for at, same := 0, 0; same < len(small) && !stats.Bounded; at = (at + 1) % len(small) {
		less, one := shrink.Steps(ctx, small[at], f.need == f.tries, func(c *corpus.Case) bool {
			if f.stopped || !f.offered(c) { // a batch has not all of a case that is not offered
				return false
			}
			rest := slices.Clone(small)
			rest[at] = c
			batch := corpus.Batch(rest)
			return batch.Bytes() <= most && f.try(ctx, batch)
		})
		stats.Runs += one.Runs
		stats.Bounded = one.Bounded || f.stopped
		if same++; corpus.Compare(less, small[at]) < 0 {
			same = 1 // the others may now get smaller
		}
		small[at] = less
	}
	return small, stats
}

// failTogether reports whether programs fail as their batch does often enough, a single one
// alone.
func (f *flaky) failTogether(ctx context.Context, programs []*corpus.Case) bool {
	want := f.want
	defer func() { f.want = want }()
	if len(programs) == 1 && want.OpKind == corpus.AmongOthers {
		f.want.OpKind = corpus.WholeCase
	}
	return f.try(ctx, corpus.Batch(programs))
}

// countHangs is count of what hangs, until it has done so often enough.
func (f *flaky) countHangs(ctx context.Context, c *corpus.Case, enough int) *corpus.Runs {
	runs := &corpus.Runs{}
	for runs.Of < confirmRuns && runs.Wrong < enough && (runs.Of == 0 || time.Now().Before(f.end)) {
		failed := f.fails(ctx, c)
		if f.err != nil || ctx.Err() != nil {
			break
		}
		if runs.Of++; failed {
			runs.Add(f.last.Wrong)
		}
	}
	if runs.Of == 0 {
		return nil
	}
	return runs
}
