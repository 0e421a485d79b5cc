// Package worker is the backend of workers: caches and compilers in processes of
// their own, in any language.
package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/oracle"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// Backend runs cases on one worker.
type Backend struct {
	// Shape is what every case has of its shape, and Without what cases must not
	// have, to hunt past a known fault: what Fit makes of them, and Takes keeps.
	Shape   FixedShape
	Without []corpus.Feature

	client *worker.Client
	hello  *worker.Hello
	judge  *judge.Judge
	again  *judge.Judge // of runs that look for what is to blame, which are not counted
	sim    *run.Backends

	programs map[string]judge.Count // by variant, empty where the worker has none
	skipped  []bool                 // programs of the last Run that the worker need not run
	search   search                 // within the batch of programs under way
}

// New starts a worker, if it does not run, and is its backend.
func New(ctx context.Context, client *worker.Client) (*Backend, error) {
	hello, err := client.Hello(ctx)
	if err != nil {
		return nil, err
	}
	for _, name := range hello.Variants {
		if err := window.CheckVariant(name); err != nil {
			return nil, fmt.Errorf("the worker's hello: variants: %w", err)
		}
	}
	return &Backend{client: client, hello: hello, judge: judge.New(), again: judge.New(), sim: run.Local(), programs: map[string]judge.Count{}}, nil
}

// Counts says what became of each operation that the cache was asked: see
// judge.Judge. Of a worker that runs programs it says, by variant, how many ran, how many it
// need not run, and how many were wrong only among others.
func (b *Backend) Counts() map[string]judge.Count {
	if b.hello.Programs {
		return maps.Clone(b.programs)
	}
	return b.judge.Counts()
}

// Target is what a hunt in the worker hunts in: its programs where it runs
// programs, else its cache.
func (b *Backend) Target() window.Target {
	if b.hello.Programs {
		return window.Target{Update: "program", Device: window.Worker}
	}
	return window.WorkerTarget(b.hello.Name)
}

// Traits implements run.Backend.
func (b *Backend) Traits(t window.Target) run.Traits {
	traits := run.Traits{Batch: 1, Foreign: true}
	if t.IsProgram() {
		traits.Batch = cmp.Or(b.hello.ProgramsAtOnce, batch)
		traits.BatchBytes = batchBytes / int64(b.hello.Calls())
		traits.Variants = b.hello.Variants
	}
	return traits
}

// batch is the programs of one compiled graph: a compiler takes seconds
// for a graph, and little more for thirty programs than for one.
const batch = 32

// batchBytes ends a batch of programs early, so that the buffers of all calls fit a
// message of the worker protocol: the buffers of the last one, which reaches it, take a quarter
// of corpus.DefaultLimit at most.
const batchBytes = worker.MaxMessage - worker.MaxHeader - corpus.DefaultLimit/4

// Run implements run.Backend.
func (b *Backend) Run(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	found, err := b.run(ctx, cases)
	return found, notStarted(err)
}

func (b *Backend) run(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	b.skipped = nil
	if !cases[0].Target.IsProgram() {
		return run.Each(ctx, cases, b.one)
	}
	if len(cases) == 1 {
		found, err := run.Each(ctx, cases, b.one)
		var skipped *run.SkippedError
		if errors.As(err, &skipped) {
			b.count(cases[0], true)
		} else if err == nil {
			b.count(cases[0], false)
		}
		return found, err
	}
	if slices.ContainsFunc(cases, func(c *corpus.Case) bool { return len(c.Beside) > 0 }) {
		return nil, errors.New("a case of several programs is a request of its own, and not run with others")
	}
	// A request has one variant.
	all := make([]*corpus.Divergence, 0, len(cases))
	for len(cases) > 0 {
		n := slices.IndexFunc(cases, func(c *corpus.Case) bool { return c.Target != cases[0].Target })
		if n < 0 {
			n = len(cases)
		}
		b.search = search{among: map[*corpus.Case]bool{}}
		found, err := b.together(ctx, cases[:n])
		all = append(all, found...)
		if err != nil || len(found) < n {
			return all, err
		}
		cases = cases[n:]
	}
	return all, nil
}

// count adds a program that ran, or that the worker need not run.
func (b *Backend) count(c *corpus.Case, skipped bool) {
	key := c.Target.Variant
	n := b.programs[key]
	if skipped {
		n.Refused++
	} else {
		n.Accepted++
	}
	b.programs[key] = n
}

// one runs a case on the worker, which gets a fresh process where the one before
// is gone.
func (b *Backend) one(ctx context.Context, c *corpus.Case) (*corpus.Divergence, error) {
	if len(c.Beside) > 0 {
		return b.batch(ctx, c)
	}
	if p, ok := c.TheProgram(); ok {
		all, skipped, err := b.runPrograms(ctx, []*corpus.Case{c}, []inplace.Program{p})
		if err != nil {
			return nil, err
		}
		if skipped[0] != "" {
			return nil, &run.SkippedError{Reason: skipped[0]}
		}
		if d := all[0]; d != nil && d.Fault == corpus.FaultRows {
			b.MatchOnSim(ctx, c, d)
		}
		return all[0], nil
	}
	if err := b.checkOrder(c); err != nil {
		return nil, err
	}
	d, suspects, err := b.runOnce(ctx, b.judge, c)
	if err != nil {
		return nil, err
	}
	return run.Blame(d, c, suspects, func(c *corpus.Case) (*corpus.Divergence, error) {
		d, _, err := b.runOnce(ctx, b.again, c)
		return d, err
	})
}

// runOnce runs a case of a cache once, and lists the operations that may be to blame.
func (b *Backend) runOnce(ctx context.Context, j *judge.Judge, c *corpus.Case) (*corpus.Divergence, []int, error) {
	j.Begin(c)
	err := b.client.New(ctx, c.Shape)
	if f, detail := b.failed(); f != "" {
		d := j.Fault(f, "-", detail)
		d.OpKind = "start"
		return d, nil, nil
	}
	var refused *worker.RefusedError
	switch {
	case errors.As(err, &refused) && !b.has(c.Shape):
		return nil, nil, nil // as it should be
	case errors.As(err, &refused):
		return j.Fault(corpus.FaultRefused, "-", "a new cache: "+refused.Reason), nil, nil
	case err != nil:
		return nil, nil, err
	}
	b.client.Order = b.order(c)
	contract := oracle.Single
	if b.hello.Contract == "chunks" {
		contract = oracle.Chunks
	}
	j.SetLimits(b.limits(c.Shape))
	w := run.Watch(cache{b.client, b}, j)
	d, err := j.Cache(ctx, c, w, contract)
	return d, w.Suspects(), err
}

// checkOrder refuses a case whose order of blocks the worker cannot be told. Ascending
// is what a case says that says nothing.
func (b *Backend) checkOrder(c *corpus.Case) error {
	switch {
	case len(c.Orders) > 0:
		return fmt.Errorf("%s: an order line, but an update of a worker has one order for all of its kernels: say it with schedule", c.Target)
	case c.Schedule.Kind == inplace.Native:
		return nil
	case !b.hello.Order && c.Schedule.Kind != inplace.Ascending:
		return fmt.Errorf("%s: schedule %s, but the worker's hello lacks the capability order: want schedule native", c.Target, c.Schedule)
	case b.hello.Order && c.Blocks() > worker.MaxOrder:
		return fmt.Errorf("%s: the order of %d blocks does not fit a message: want a larger block, or schedule native", c.Target, c.Blocks())
	}
	return nil
}

// order is what a case says of the order of blocks, all of them listed; nil where
// that is left to the worker.
func (b *Backend) order(c *corpus.Case) []int {
	if !b.hello.Order || c.Schedule.Kind == inplace.Native {
		return nil
	}
	all := make([]int, c.Blocks())
	order := c.Schedule.Order(len(all))
	for i := range all {
		if all[i] = i; order != nil {
			all[i] = int(order[i])
		}
	}
	return all
}

// failed is what the worker did instead of answering, "" if it answered.
func (b *Backend) failed() (f corpus.Fault, detail string) {
	fault := b.client.Ended()
	if fault == nil {
		return "", ""
	}
	switch fault.Kind {
	case worker.Hang:
		return corpus.FaultHang, fault.Detail
	case worker.Nonsense:
		return corpus.FaultProtocol, fault.Detail
	}
	return corpus.FaultCrash, fault.Detail
}

// cache is the cache of a worker as the judge asks it.
type cache struct {
	*worker.Client
	b *Backend
}

// Can implements judge.Subject.
func (c cache) Can(need corpus.Capability) bool { return c.b.can(need) }

// Update implements judge.Subject.
func (c cache) Update(ctx context.Context, keys, values *impls.Tensor) (k, v *impls.Tensor, err error) {
	gotKeys, gotValues, err := c.Client.Update(ctx, *keys, *values)
	return &gotKeys, &gotValues, err
}

// Layers says that a worker has none, and UpdateLayer is not asked.
func (c cache) Layers() []int { return nil }

func (c cache) UpdateLayer(context.Context, int, impls.Tensor, impls.Tensor) (k, v impls.Tensor, err error) {
	return k, v, errors.New("a worker has no layers")
}

// Reset leaves its error to Failed.
func (c cache) Reset(ctx context.Context) { _ = c.Client.Reset(ctx) }

// Stored says that a worker does not show its buffers.
func (c cache) Stored() (keys, values *impls.Tensor, ok bool) { return nil, nil, false }

// LastPlan says that nobody knows what it ran.
func (c cache) LastPlan() *inplace.Plan { return nil }

// Failed implements judge.Subject.
func (c cache) Failed() (f corpus.Fault, detail string) { return c.b.failed() }

// MatchOnSim implements run.SimMatcher: it looks for the known-bad lowering and the
// order under which sim fails on a program too, and gives the divergence that case
// and its hazard.
func (b *Backend) MatchOnSim(ctx context.Context, c *corpus.Case, d *corpus.Divergence) {
	for _, how := range []inplace.Lowering{inplace.DropClone, inplace.DropWAR} {
		for _, order := range []inplace.ScheduleKind{inplace.Ascending, inplace.Descending} {
			on := c.Clone()
			on.Target = window.Target{Update: "program", Lowering: how, Device: "sim"}
			on.Program = worker.Cloned(c.Program) // as the worker has it
			on.Schedule = inplace.Schedule{Kind: order}
			// A block a row, as large shapes have. The cells of a row share its
			// fate, so one is enough: a hunt on a GPU has rows of a million.
			on.Shape.Dim, on.Block = 1, 1
			same, err := b.sim.One(ctx, on)
			if err == nil && same != nil {
				on.Expect = same.Expect()
				d.Sim, d.Race, d.SimSeen = on, same.Race, same.Seen
				return
			}
		}
	}
}
