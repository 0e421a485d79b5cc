package hunt

import (
	"context"
	"fmt"
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/shrink"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// Minimize shrinks a case that shows d, keeping the same failure, and says
// what the small case expects. When ctx ends, the smallest case so far is the
// result.
//
//   - A hang is not run again: each time would take the whole time limit. The
//     case is cut after the operation that hung.
//   - A race on a device that orders the blocks itself is left as it was found,
//     for it shows more rarely in what is smaller: see Native. Nor is a device's
//     crash asked for again and again.
//   - What fails in somebody else's program is shrunk as what may fail sometimes,
//     unless its runs are quick and it fails in each of them.
//   - What several programs did together is looked for in the one that has it, and if that
//     never does so alone programs are left out: the result has all that are left, each made
//     smaller beside the others, but of a hang.
//   - What a backend cannot be asked is not tried: see run.Fitter.
//   - A case that fails on sim alike is shrunk there, and run again in the end.
func (r *Runner) Minimize(ctx context.Context, c *corpus.Case, d *corpus.Divergence) (*corpus.Case, *corpus.Divergence, shrink.Stats, error) {
	backend, err := r.Of(c.Target)
	if err != nil {
		return nil, nil, shrink.Stats{}, err
	}
	traits := backend.Traits(c.Target)
	switch {
	case d.Batch != nil, len(c.Beside) > 0:
		return r.minimizeBatch(ctx, c, d)
	case d.Fault == corpus.FaultHang, d.Fault == corpus.FaultCrash && !traits.Foreign:
		small := cutAfter(c, d)
		small.Expect = d.Expect()
		return small, d, shrink.Stats{Bounded: true}, nil
	case traits.Foreign:
		return r.minimizeForeign(ctx, c, d, traits.Quick)
	case c.Native() && d.Race != nil:
		c, d, err := r.Native(ctx, c, d)
		return c, d, shrink.Stats{Bounded: true}, err
	}
	small, last, stats := r.minimizeOrdered(ctx, c, d, traits.AsSim)
	if ctx.Err() != nil {
		small.Expect = last.Expect()
		return small, last, stats, nil
	}
	again, err := r.One(ctx, small)
	if err == nil && (again == nil || again.Failure(c.Target) != d.Failure(c.Target)) {
		err = fmt.Errorf("%s: the shrunk case does not fail again: a case must have the same outcome each time", c.Target)
	}
	if err != nil {
		return nil, nil, stats, err
	}
	if small.Native() { // no race, or it would have been left as it was found
		if small, again, err = r.Native(ctx, small, again); err != nil {
			return nil, nil, stats, err
		}
	}
	small.Expect = again.Expect()
	return small, again, stats, nil
}

// minimizeOrdered shrinks a case that has one outcome each time, and says how the
// smallest failed.
func (r *Runner) minimizeOrdered(ctx context.Context, c *corpus.Case, d *corpus.Divergence, asSim bool) (*corpus.Case, *corpus.Divergence, shrink.Stats) {
	start := c
	if asSim {
		onSim := c.Clone()
		onSim.Target.Device = "sim"
		same, err := r.One(ctx, onSim)
		if err == nil && same != nil && same.Failure(c.Target) == d.Failure(c.Target) {
			start = onSim
		}
	}
	want, last := d.Failure(start.Target), d
	offered := func(*corpus.Case) bool { return true }
	if backend, err := r.Of(start.Target); err == nil {
		if f, ok := backend.(run.Fitter); ok {
			offered = f.Takes
		}
	}
	fails := func(c *corpus.Case) bool {
		if !offered(c) {
			return false
		}
		d, err := r.One(ctx, c)
		if err != nil || d == nil || d.Failure(c.Target) != want {
			return false
		}
		last = d
		return true
	}
	if cut := cutAfter(start, d); shorter(cut, start) && fails(cut) {
		start = cut
	}
	small, stats := shrink.Case(ctx, start, fails)
	if ctx.Err() != nil && start.Target != c.Target {
		return c.Clone(), d, stats // what sim failed on the device was never asked
	}
	small = small.Clone()
	small.Target = c.Target
	return small, last, stats
}

// cutAfter is the case without the operations after the one that went wrong, or all the
// programs that went wrong together.
func cutAfter(c *corpus.Case, d *corpus.Divergence) *corpus.Case {
	if d.Batch != nil {
		return d.Batch.Clone()
	}
	cut := c.Clone()
	if c.Engine != nil {
		if d.Op < len(cut.Engine.Ops) {
			cut.Engine.Ops = cut.Engine.Ops[:max(1, d.Op)]
		}
		return cut
	}
	if d.OpKind != corpus.WholeCase && d.Op < len(cut.Ops) {
		cut.Ops = cut.Ops[:d.Op]
		cut.Orders = slices.DeleteFunc(cut.Orders, func(o corpus.Order) bool { return o.Op > d.Op })
	}
	return cut
}

// shorter reports whether a case has fewer operations.
func shorter(a, b *corpus.Case) bool {
	if a.Engine != nil && b.Engine != nil {
		return len(a.Engine.Ops) < len(b.Engine.Ops)
	}
	return len(a.Ops) < len(b.Ops)
}
