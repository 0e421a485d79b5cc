package run

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

// Backend runs cases and says what came out.
type Backend interface {
	// Run runs cases of one target. The results are in the order of the cases,
	// nil where a case agrees with the oracle, and fewer than the cases where the
	// backend failed too often. An error is that of the context, with the results
	// so far, or says that a case has no meaning here, or that there is nothing to
	// run it: a NotStartedError, with the results so far, of a process that did not start.
	Run(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error)
	// Traits says what is to be known of the cases of a target.
	Traits(t window.Target) Traits
}

// NotStartedError is that of cases which what runs them was not asked, for its process did
// not start, at first or again: another may run them.
type NotStartedError struct{ Err error }

func (e *NotStartedError) Error() string { return e.Err.Error() }

// Unwrap is Err.
func (e *NotStartedError) Unwrap() error { return e.Err }

// SkippedError is that of a case which what runs it need not run, by its
// documentation: it neither agrees nor diverges.
type SkippedError struct{ Reason string }

func (e *SkippedError) Error() string { return "it is not run, by a documented limit: " + e.Reason }

// Skipper is a Backend that runs cases together and need not run each of them: one alone
// has a SkippedError. Skipped reports which of the cases that Run was given last were not
// run, nil where all were.
type Skipper interface {
	Skipped() []bool
}

// Each runs cases one after the other, as Backend's Run does, until one fails.
func Each(ctx context.Context, cases []*corpus.Case, one func(context.Context, *corpus.Case) (*corpus.Divergence, error)) ([]*corpus.Divergence, error) {
	all := make([]*corpus.Divergence, 0, len(cases))
	for _, c := range cases {
		d, err := one(ctx, c)
		if err != nil {
			return all, err
		}
		all = append(all, d)
	}
	return all, nil
}

// Traits say how the cases of a target are best run, and what an outcome means.
type Traits struct {
	// Batch is how many cases are worth running together, 0 for one, and
	// BatchBytes how many bytes their programs' buffers may take, 0 for no bound.
	Batch      int
	BatchBytes int64
	// Variants are the ways in which the target runs cases, of which those of a hunt
	// take turns, batch by batch: see window.Target.
	Variants []string
	// Together is how many cases in a row share what takes long to make, as a
	// checkpoint that is loaded: in a hunt they go to one shard, and to one of those
	// that run at once. 0 for one.
	Together int
	// AsSim: in the order of the case it fails exactly as sim does, and takes
	// longer, so that sim shrinks for it.
	AsSim bool
	// Foreign: what runs is somebody else's. It may fail in some runs alone, take
	// long, and have any number of faults that nobody knows.
	Foreign bool
	// Quick: a run is a call in this process, and most often done in far less than
	// a millisecond. Of what is Foreign, a failure that shows rarely is then worth
	// hundreds of runs, and one that shows each time is taken at its word.
	Quick bool
}

// Fitter is a Backend that cannot be asked every case.
type Fitter interface {
	// Fit makes a drawn case one that can be asked, and Takes reports whether a
	// case is one.
	Fit(c *corpus.Case)
	Takes(c *corpus.Case) bool
}

// Drawer is a Backend whose cases are drawn in a way of its own: the same for the same
// seed.
type Drawer interface {
	Draws(t window.Target, seed uint64) func() *corpus.Case
}

// Stepper is a Backend that counts what it has judged by steps. Steps is what it has
// judged since it was asked last.
type Stepper interface {
	Steps() judge.EngineCounts
}

// Counter is a Backend whose caches may refuse operations. Counts says what became
// of all that they were asked so far, by the name of the operation.
type Counter interface {
	Counts() map[string]judge.Count
}

// Sampler is a Backend that runs one case many times faster than Run does.
type Sampler interface {
	Sample(ctx context.Context, c *corpus.Case, n int) (Sampled, error)
}

// SimMatcher is a Backend whose kernels nobody knows. MatchOnSim looks for the
// known-bad lowering and the order under which sim fails on a program too, and
// gives the divergence that case and its hazard.
type SimMatcher interface {
	MatchOnSim(ctx context.Context, c *corpus.Case, d *corpus.Divergence)
}

// Sampled is what some runs of one case came to.
type Sampled struct {
	Each      []*corpus.Divergence // of each run, nil where it agreed
	Different int                  // different results among those that diverged, 0 where nobody compared
	Undecided int                  // runs that agreed as far as they could be judged, which was not enough
}

// Backends runs cases on the backend of their device. It is not for use by two
// goroutines at once.
type Backends struct {
	// Limit is the most bytes that a case may take, 0 for corpus.DefaultLimit. It
	// is checked before anything is allocated.
	Limit int64
	// ByDevice has the backend of each device.
	ByDevice map[string]Backend
}

// Local is the backends of this process: sim, host and the built-in caches in Go.
func Local() *Backends {
	l := newLocal()
	return &Backends{ByDevice: map[string]Backend{"sim": l, "host": l, window.Go: newBuiltin()}}
}

// Of is the backend of a target.
func (b *Backends) Of(t window.Target) (Backend, error) {
	if x, ok := b.ByDevice[t.Device]; ok {
		return x, nil
	}
	if t == window.CacheTarget() {
		return nil, &CacheError{}
	}
	if t.Device == window.Worker || t.Device == window.EngineDevice {
		return nil, &UnnamedError{Target: t}
	}
	return nil, fmt.Errorf("%s: nothing here runs device %s; want one of %s", t, t.Device, strings.Join(slices.Sorted(maps.Keys(b.ByDevice)), ", "))
}

// UnnamedError refuses a case of a worker or an engine whose command was not named.
type UnnamedError struct {
	Target window.Target
	// Flags name it, "" for --exec 'COMMAND ARG …'.
	Flags string
}

// Naming is the flags that name it.
func (e *UnnamedError) Naming() string { return cmp.Or(e.Flags, "--exec 'COMMAND ARG …'") }

// What is what has to be named, in words.
func (e *UnnamedError) What() string {
	if e.Target.Device == window.EngineDevice {
		return "the engine of " + e.Target.String()
	}
	return "the worker of " + e.Target.String()
}

func (e *UnnamedError) Error() string {
	if e.Target.Device == window.EngineDevice {
		if e.Flags == "" {
			return e.Target.String() + " is an engine: name it with --engine NAME, or its command with " + e.Naming()
		}
		return e.Target.String() + " is an engine: name it with " + e.Naming()
	}
	return e.Target.String() + " is a worker: name its command with " + e.Naming()
}

// CacheError refuses a case of a user's cache in Go, which lies in no backend here:
// the test of that cache has it.
type CacheError struct{}

func (*CacheError) Error() string {
	return "target cache is a Go cache of its user's: the test of that cache replays the case, with props.ReplayCache(t, newCache, text, options…)"
}

// Run runs cases of one target: see Backend.
func (b *Backends) Run(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	for _, c := range cases {
		if err := b.Check(c); err != nil {
			return nil, err
		}
	}
	x, err := b.Of(cases[0].Target)
	if err != nil {
		return nil, err
	}
	return x.Run(ctx, cases)
}

// One runs a case. It returns nil where the target agrees with the oracle after
// every operation, else the first divergence.
func (b *Backends) One(ctx context.Context, c *corpus.Case) (*corpus.Divergence, error) {
	if err := b.Check(c); err != nil {
		return nil, err
	}
	x, err := b.Of(c.Target)
	if err != nil {
		return nil, err
	}
	if x, ok := x.(oner); ok {
		return x.one(ctx, c)
	}
	d, err := x.Run(ctx, []*corpus.Case{c})
	if err != nil {
		return nil, err
	}
	if len(d) == 0 {
		return nil, fmt.Errorf("%s: it failed before the case came to its end", c.Target)
	}
	return d[0], nil
}

// oner is a Backend of this package that runs a case without a list of them, whose Run
// does the same with each.
type oner interface {
	one(ctx context.Context, c *corpus.Case) (*corpus.Divergence, error)
}

// Sample runs a case n times, fewer where the context ends or the backend fails
// too often.
func (b *Backends) Sample(ctx context.Context, c *corpus.Case, n int) (Sampled, error) {
	if err := b.Check(c); err != nil {
		return Sampled{}, err
	}
	x, err := b.Of(c.Target)
	if err != nil {
		return Sampled{}, err
	}
	if s, ok := x.(Sampler); ok {
		return s.Sample(ctx, c, n)
	}
	var s Sampled
	for len(s.Each) < n {
		d, err := x.Run(ctx, []*corpus.Case{c})
		switch {
		case ctx.Err() != nil:
			return s, nil // that run was cut short
		case err != nil:
			return s, err
		case len(d) == 0:
			return s, nil
		}
		s.Each = append(s.Each, d[0])
	}
	return s, nil
}

// Check reports a case without meaning, or beyond the limit.
func (b *Backends) Check(c *corpus.Case) error {
	limit := b.Limit
	if limit == 0 {
		limit = corpus.DefaultLimit
	}
	if err := c.Check(limit); err != nil {
		return err
	}
	if c.Target.Device == "sim" && c.Schedule.Kind == inplace.Native {
		return fmt.Errorf("schedule native on sim: sim needs an order; native is for devices with one of their own, as host")
	}
	return nil
}
