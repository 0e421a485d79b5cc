package main

import (
	"context"
	"fmt"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/shrink"
	"github.com/slidefuzz/slidefuzz/props/hunt"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// exhaust runs every case within the bounds on the targets asked for: sim and go by
// default, the devices whose outcome a case decides.
func (o *huntOptions) exhaust(ctx context.Context, e *env, args []string) (int, error) {
	if len(args) == 0 && len(*o.devices) == 0 {
		args = []string{"*/*/sim", "go/*"}
	}
	jobs, err := o.jobs(ctx, e, args)
	if err != nil {
		return 0, err
	}
	for _, j := range jobs {
		if d := j.target.Device; j.scenario != nil || d != "sim" && d != "go" {
			return 0, fmt.Errorf("%s: --exhaustive is for targets of sim and go, whose outcome the case decides", j.name())
		}
	}
	sequences, entries, orders := hunt.ExhaustiveBounds()
	fmt.Fprintf(e.out, "every case of %s, U8, in one block;\nof caches in Go also of two entries that go their own ways, %s;\nof updates and programs also appends alone in every number of blocks, each block first: %s\n",
		boundsText(sequences), boundsText(entries), boundsText(orders))
	type result struct {
		hunt.Exhausted
		err error
	}
	done := make([]chan result, len(jobs))
	numbers := make([]int, len(jobs))
	for i := range jobs {
		done[i], numbers[i] = make(chan result, 1), i
	}
	start := time.Now()
	o.inTurn(numbers, func(on *run.Backends, i int) {
		x, err := hunt.Exhaustive(ctx, on, jobs[i].target)
		done[i] <- result{x, err}
	})
	status, cases, sound, caught, outside := exitOK, 0, 0, 0, 0
	for i, j := range jobs {
		x := <-done[i]
		if x.err != nil {
			return 0, fmt.Errorf("%s: %w", j.name(), x.err)
		}
		cases += x.Cases
		what := "agrees in all"
		switch {
		case x.Small != nil && j.target.Sound():
			what, status = "DIVERGES: "+x.Divergence.String()+"\n"+indent(x.Small.Text()), exitUnexpected
		case x.Small != nil:
			what = "caught: " + x.Small.Short()
			caught++
		case !x.Complete:
			what = "not all: interrupted"
		case x.Cases == 0:
			what = "random programs have no bounds"
		case !j.target.Sound():
			what = "known-bad, and no case within the bounds shows it"
			outside++
		default:
			sound++
		}
		fmt.Fprintf(e.out, "%-*s %9d cases %7s  %s\n", targetColumn, j.name(), x.Cases, seconds(x.Elapsed), what)
	}
	fmt.Fprintf(e.out, "%s in %s: %d sound targets agree in every case within the bounds, %d known-bad ones caught there, %d outside\n",
		corpus.Plural(cases, "case"), seconds(time.Since(start)), sound, caught, outside)
	if s, ended := endedBy(ctx); ended {
		return s, nil
	}
	return status, nil
}

// targetColumn is as wide as most names of targets.
const targetColumn = 34

func boundsText(b shrink.Bounds) string {
	batch := ""
	if b.Batch > 1 {
		batch = fmt.Sprintf("batch %d, ", b.Batch)
	}
	return fmt.Sprintf("%sat most %d operations, %d tokens, a window of %d, %s, dim %d", batch, b.Ops, b.Tokens, b.Window, corpus.Plural(b.Heads, "head"), b.Dim)
}
