package hunt

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// KillOptions say how hard a planted bug is looked for.
type KillOptions struct {
	Seeds int // hunts of seeds 1 to Seeds
	Cases int // at most so many cases each
	// Replays is how often the smallest case is run again.
	Replays int
}

// Kill is how soon the draws of the properties catch one planted bug: a row of the
// kill matrix.
type Kill struct {
	Bug window.Bug
	// At is the number of the case that caught it, from 1, for each seed, and 0
	// where none did.
	At []int
	// Small is the smallest of the cases that each seed's catch was shrunk to, nil
	// where none was caught; Divergence is what it shows.
	Small      *corpus.Case
	Divergence *corpus.Divergence
	// Minimal says that no smaller case shows it, as far as all of them can be
	// tried.
	Minimal bool
	// Failed is how many of Replays runs of Small had the same outcome.
	Failed, Replays int
	Elapsed         time.Duration
}

// Missed is how many seeds did not catch the bug.
func (k *Kill) Missed() int {
	n := 0
	for _, at := range k.At {
		if at == 0 {
			n++
		}
	}
	return n
}

// Median and Worst are cases until the bug was caught, over the seeds; 0 where the
// seed that counts did not catch it.
func (k *Kill) Median() int { return k.ordered()[len(k.At)/2] }

// Worst is the most cases that a seed needed: see Median.
func (k *Kill) Worst() int { return k.ordered()[len(k.At)-1] }

// ordered is At, the fewest first, those that did not catch it last.
func (k *Kill) ordered() []int {
	list := slices.DeleteFunc(slices.Sorted(slices.Values(k.At)), func(at int) bool { return at == 0 })
	return append(list, make([]int, k.Missed())...)
}

// KillMatrix hunts for one planted bug with the draws of the properties, until each
// seed has caught it, and shrinks what they found. An error is that of the context, or
// says that the bug's target cannot be run.
func KillMatrix(ctx context.Context, b *run.Backends, bug window.Bug, o KillOptions) (k Kill, err error) {
	k = Kill{Bug: bug, Replays: o.Replays}
	start := time.Now()
	defer func() { k.Elapsed = time.Since(start) }()
	if o.Seeds < 1 || o.Cases < 1 {
		return k, fmt.Errorf("%d seeds of %d cases: want at least one of each", o.Seeds, o.Cases)
	}
	r := &Runner{Backends: b}
	for seed := range o.Seeds {
		result, err := Hunt(ctx, b, bug.Target, Options{Seed: uint64(seed + 1), Cases: o.Cases, UntilCaught: o.Cases})
		switch {
		case err != nil:
			return k, err
		case ctx.Err() != nil:
			return k, context.Cause(ctx)
		case len(result.Findings) == 0:
			k.At = append(k.At, 0)
			continue
		}
		f := &result.Findings[0]
		k.At = append(k.At, f.At)
		if k.Small == nil || smaller(f.Small, k.Small) {
			k.Small, k.Divergence, k.Minimal = f.Small, f.Divergence, f.Stats.Minimal
		}
	}
	if k.Small == nil || o.Replays == 0 {
		return k, nil
	}
	v, err := r.Replay(ctx, k.Small, o.Replays)
	k.Failed = v.Runs.Wrong
	return k, err
}

// smaller orders shrunk cases as the shrinker does: fewer operations, fewer tokens, a
// smaller window, fewer lanes, fewer elements.
func smaller(a, b *corpus.Case) bool {
	sizes := func(c *corpus.Case) []int {
		s := c.Shape
		return []int{len(c.Ops), len(c.Program.Stmts), c.Tokens(), s.Window, s.Lanes(), s.Dim, s.DType.Size(), len(c.Text())}
	}
	return slices.Compare(sizes(a), sizes(b)) < 0
}
