package main

import (
	"cmp"
	"context"
	"time"

	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/hunt"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// bound is how many cases a job has at most, 0 without a number.
func (o huntOptions) bound(j job) int {
	if j.scenario != nil {
		return len(j.cases)
	}
	return hunt.Options{Cases: o.cases, UntilCaught: o.caught}.Bound(j.target)
}

// ahead runs the jobs that need nothing but a core, several at once and each in its
// turn. What a job came to is received from its channel, which is nil for those that
// are left to the caller.
func (o huntOptions) ahead(ctx context.Context, jobs []job, start time.Time) []chan *outcome {
	all := make([]chan *outcome, len(jobs))
	var next []int
	for i, j := range jobs {
		if (j.target.Device == "sim" || j.target.Device == window.Go) && j.scenario == nil {
			next = append(next, i)
		}
	}
	if o.parallel == 1 || len(next) < 2 {
		return all
	}
	for _, i := range next {
		all[i] = make(chan *outcome, 1)
	}
	o.inTurn(next, func(on *run.Backends, i int) {
		all[i] <- o.one(ctx, on, jobs[i], i, (len(jobs)-i+o.parallel-1)/o.parallel, start, nil)
	})
	return all
}

// inTurn calls do with each number, in their order, on as many goroutines as --jobs
// says. Each has backends of its own: two cannot share them.
func (o huntOptions) inTurn(numbers []int, do func(on *run.Backends, i int)) {
	turn := make(chan int, len(numbers))
	for _, i := range numbers {
		turn <- i
	}
	close(turn)
	for range min(o.parallel, len(numbers)) {
		go func() {
			backends := run.Local()
			backends.Limit = o.backends.Limit
			for i := range turn {
				do(backends, i)
			}
		}()
	}
}

// one runs a job, the one with this index, on backends; left is the number of jobs not
// done, this one included.
func (o huntOptions) one(ctx context.Context, on *run.Backends, j job, index, left int, start time.Time, progress func(int)) *outcome {
	out := &outcome{job: j}
	out.Target, out.Seed, out.bound = j.target, o.seed, o.bound(j)
	slice := time.Duration(0)
	if o.time > 0 {
		// A share of nothing would be no bound.
		if slice = (o.time - time.Since(start)) / time.Duration(left); slice <= 0 {
			out.notRun = true
			return out
		}
	}
	if ctx.Err() != nil {
		out.notRun = true
		return out
	}
	options := hunt.Options{Seed: o.seed, Cases: o.cases, UntilCaught: o.caught, Time: slice, Progress: o.record.progress(index, progress), ShrinkTime: *o.shrink, Jobs: o.workers, Steps: o.steps, Shard: o.shard.Shard, Note: o.record.notes(index)}
	var r hunt.Result
	var err error
	if options.Corpus, err = o.corpusOf(j); err != nil {
		out.err = err
		return out
	}
	if j.scenario != nil {
		backends := *on
		backends.Limit = cmp.Or(backends.Limit, j.scenario.Limit)
		r, err = hunt.Scenario(ctx, &backends, j.target, j.cases, options, o.out != "")
	} else {
		r, err = hunt.Hunt(ctx, on, j.target, options)
	}
	r.Target, r.Seed = j.target, o.seed
	out.Result, out.err = r, err
	// A hunt that broke off says nothing about what it would have caught.
	if err == nil || j.target.Sound() {
		out.unexpected = r.Unexpected()
	}
	return out
}
