package hunt

import (
	"context"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/shrink"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// The numbers of a count of what may fail only sometimes.
const (
	// A case is run until it has failed often enough that as many runs again
	// fail too, but for one time in 20,000 (e^-10), and at least often enough
	// that "each time" says something.
	enoughFailures = 10
	leastRuns      = 20
	// mostRuns bounds them, as countTime does: a case that fails in none of 300
	// runs fails in less than 1 % of them.
	mostRuns  = 300
	countTime = 5 * time.Second
	// simTime bounds the search for the same race on sim: cases that a hunt
	// draws take well under a second.
	simTime = 10 * time.Second
)

// Native says of a failure d of a case that leaves the order of the blocks to
// the device how often it shows: Runs counts the runs that fail as the case that
// is returned expects. That is c up to the first operation that was seen to fail
// so. Of a race it looks for the same race as a case on sim, which has an order
// that fails each time, and shrinks that: Sim and Race are then those of the case
// on sim. Without such a case Race is that of d.
func (r *Runner) Native(ctx context.Context, c *corpus.Case, d *corpus.Divergence) (*corpus.Case, *corpus.Divergence, error) {
	known := *d
	d = &known
	counting, stop := context.WithTimeout(ctx, countTime)
	defer stop()
	first, err := r.Sample(counting, c, leastRuns)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range first.Each {
		if s != nil && s.Op < d.Op && s.Failure(c.Target) == d.Failure(c.Target) {
			*d = *s
		}
	}
	c = cutAfter(c, d)
	c.Expect = d.Expect()
	runs := &corpus.Runs{}
	for counting.Err() == nil && runs.Of < mostRuns && runs.Wrong < enoughFailures || runs.Of == 0 {
		some, err := r.Sample(counting, c, leastRuns)
		if err != nil {
			return nil, nil, err
		}
		for _, s := range some.Each {
			runs.Of++
			if c.Expect.Matches(s) {
				runs.Add(s.Wrong)
			}
		}
		runs.Different = max(runs.Different, some.Different)
		if len(some.Each) < leastRuns {
			break
		}
	}
	d.Runs = nil
	if runs.Of > 0 {
		d.Runs = runs
	}
	c.Expect = d.Expect()
	if d.Race == nil {
		return c, d, nil
	}
	search, stop := context.WithTimeout(ctx, simTime)
	defer stop()
	if sim, same := r.onSim(search, c, d); sim != nil {
		d.Sim, d.Race, d.SimSeen = sim, same.Race, same.Seen
	}
	return c, d, nil
}

// onSim looks for an order in which sim shows the failure of a case, in the keys
// or in the values, and shrinks what it finds.
func (r *Runner) onSim(ctx context.Context, c *corpus.Case, d *corpus.Divergence) (*corpus.Case, *corpus.Divergence) {
	on := c.Clone()
	on.Target.Device, on.Expect, on.Orders = "sim", nil, nil
	want := d.Failure(on.Target)
	var last *corpus.Divergence
	fails := func(c *corpus.Case) bool {
		same, err := r.One(ctx, c)
		if err != nil || same == nil || same.Failure(c.Target) != want {
			return false
		}
		last = same
		return true
	}
	// First the block that the hazard names, then the orders in which shifts to
	// the left and to the right go wrong.
	for _, s := range [...]inplace.Schedule{
		{Kind: inplace.List, Blocks: []int{d.Race.Hazard.Witness()}}, {Kind: inplace.Descending}, {Kind: inplace.Ascending},
	} {
		on.Schedule = s
		for _, want.Tensor = range [...]string{want.Tensor, oracle.Keys.String(), oracle.Values.String()} {
			if fails(on) {
				small, _ := shrink.Case(ctx, on, fails)
				small = small.Clone()
				small.Expect = last.Expect()
				return small, last
			}
		}
	}
	return nil, nil
}
