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
	// Corpus is what each seed is hunted from once more, nil for not at all: what an
	// earlier hunt left in the target that the bug is planted in.
	Corpus func(ctx context.Context, seed int) (Corpus, error)
}

// Kill is how soon the draws of the properties catch one planted bug: a row of the
// kill matrix.
type Kill struct {
	Bug window.Bug
	// At is the number of the case that caught it, from 1, for each seed, and 0
	// where none did.
	At []int
	// With is At where each hunt goes on from a corpus that was kept before the bug was
	// planted. Nil where that was not asked for.
	With []int
	// Small is the smallest of the cases that the catches of the first seeds were
	// shrunk to, nil where they caught none; Divergence is what it shows.
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

// MedianWith and WorstWith are Median and Worst with a corpus.
func (k *Kill) MedianWith() int { return ordered(k.With)[len(k.With)/2] }

// WorstWith is the most cases that a seed needed: see MedianWith.
func (k *Kill) WorstWith() int { return ordered(k.With)[len(k.With)-1] }

// Median and Worst are cases until the bug was caught, over the seeds; 0 where the
// seed that counts did not catch it.
func (k *Kill) Median() int { return ordered(k.At)[len(k.At)/2] }

// Worst is the most cases that a seed needed: see Median.
func (k *Kill) Worst() int { return ordered(k.At)[len(k.At)-1] }

// ordered puts the fewest first, and those that did not catch it last.
func ordered(at []int) []int {
	list := slices.DeleteFunc(slices.Sorted(slices.Values(at)), func(n int) bool { return n == 0 })
	return append(list, make([]int, len(at)-len(list))...)
}

// KillBug runs the draws of the properties on one planted bug until each seed has caught
// it, and shrinks what some found. An error is that of the context, or says that the
// bug's target cannot be run.
func KillBug(ctx context.Context, b *run.Backends, bug window.Bug, o KillOptions) (k Kill, err error) {
	k = Kill{Bug: bug, Replays: o.Replays}
	start := time.Now()
	defer func() { k.Elapsed = time.Since(start) }()
	if o.Seeds < 1 || o.Cases < 1 {
		return k, fmt.Errorf("%d seeds of %d cases: want at least one of each", o.Seeds, o.Cases)
	}
	r := &Runner{Backends: b}
	for seed := range o.Seeds {
		h, err := newHunter(b, bug.Target, Options{Seed: uint64(seed + 1), Cases: o.Cases}, &Result{})
		if err != nil {
			return k, err
		}
		at, c, d, err := h.first(ctx, b, o.Cases)
		if k.At = append(k.At, at); err == nil && d != nil && seed < shrunkSeeds {
			err = k.shrink(ctx, r, c, d)
		}
		if err != nil {
			return k, err
		}
	}
	if o.Corpus != nil {
		if k.With, err = o.with(ctx, b, bug); err != nil {
			return k, err
		}
	}
	if k.Small == nil || o.Replays == 0 {
		return k, ctx.Err()
	}
	v, err := r.Replay(ctx, k.Small, o.Replays)
	k.Failed = v.Runs.Wrong
	return k, err
}

// with is At of the hunts that go on from a corpus.
func (o KillOptions) with(ctx context.Context, b *run.Backends, bug window.Bug) (with []int, err error) {
	for seed := range o.Seeds {
		c, err := o.Corpus(ctx, seed+1)
		if err != nil {
			return nil, err
		}
		h, err := newHunter(b, bug.Target, Options{Seed: uint64(seed + 1), Cases: o.Cases, Corpus: c}, &Result{})
		if err != nil {
			return nil, err
		}
		at, _, _, err := h.first(ctx, b, o.Cases)
		if err != nil {
			return nil, err
		}
		with = append(with, at)
	}
	return with, nil
}

// shrunkSeeds is how many of the seeds' catches are shrunk: most come to the same
// case, and shrinking takes most of the time.
const shrunkSeeds = 3

// first is the number of the first case that diverges, from 1, the case, and how; 0 if
// none does.
func (h *hunter) first(ctx context.Context, b *run.Backends, cases int) (int, *corpus.Case, *corpus.Divergence, error) {
	for at := 1; at <= cases; at++ {
		c := h.draw()
		d, err := b.One(ctx, c)
		if err != nil || d != nil {
			return at, c, d, err
		}
	}
	return 0, nil, nil, nil
}

// shrink keeps the smaller of the smallest case so far and what c is shrunk to.
func (k *Kill) shrink(ctx context.Context, r *Runner, c *corpus.Case, d *corpus.Divergence) error {
	small, d, stats, err := r.Minimize(ctx, c, d)
	if err == nil && (k.Small == nil || smaller(small, k.Small)) {
		k.Small, k.Divergence, k.Minimal = small, d, stats.Minimal
	}
	return err
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
