package hunt

import (
	"context"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/shrink"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// quick is a backend of somebody else's whose runs are quick. fails says of each run
// at which operation, from 1, it fails, 0 for none.
type quick struct {
	runs  int
	fails func(c *corpus.Case) int
}

func (b *quick) Run(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	all := make([]*corpus.Divergence, len(cases))
	for i, c := range cases {
		b.runs++
		if op := b.fails(c); op > 0 {
			all[i] = &corpus.Divergence{Op: op, OpKind: c.Ops[op-1].Kind.String(), Tensor: "keys", Fault: corpus.FaultRows, Wrong: 1}
		}
	}
	return all, ctx.Err()
}

func (b *quick) Traits(window.Target) run.Traits {
	return run.Traits{Batch: 1, Foreign: true, Quick: true}
}

// quickCase has a window of 5, of BF16, and this many appends of 2 tokens.
func quickCase(appends int) *corpus.Case {
	c := &corpus.Case{Target: window.CacheTarget(), Shape: impls.Shape{Batch: 1, Heads: 1, Window: 5, Dim: 1, DType: impls.BF16}, Block: 1}
	for range appends {
		c.Ops = append(c.Ops, corpus.Op{Kind: corpus.Append, N: 2})
	}
	return c
}

// minimizeQuick runs a case until it fails, and shrinks it.
func minimizeQuick(t *testing.T, b *quick, c *corpus.Case, limit time.Duration) (*corpus.Case, *corpus.Divergence, shrink.Stats) {
	t.Helper()
	r := &Runner{Backends: &run.Backends{ByDevice: map[string]run.Backend{window.GoCache: b}}, ShrinkTime: limit}
	var found *corpus.Divergence
	for found == nil {
		d, err := r.One(t.Context(), c)
		require.NoError(t, err)
		found = d
	}
	b.runs = 0
	start := time.Now()
	small, d, stats, err := r.Minimize(t.Context(), c, found)
	require.NoError(t, err)
	require.Less(t, time.Since(start), limit+time.Second)
	require.NotNil(t, small.Expect)
	return small, d, stats
}

// firstOf is the first operation that appends in a window of at least 3 rows.
func firstOf(c *corpus.Case) int {
	if c.Shape.Window < 3 {
		return 0
	}
	for i, o := range c.Ops {
		if o.Kind == corpus.Append && o.N > 1 {
			return i + 1
		}
	}
	return 0
}

// What fails each time costs one run a candidate, beside those that show that it does
// so, and is made as small as what has one outcome.
func TestQuickFailsEachTime(t *testing.T) {
	b := &quick{fails: firstOf}
	small, d, stats := minimizeQuick(t, b, quickCase(12), 30*time.Second)
	asked := 0
	want, _ := shrink.Case(t.Context(), cutAfter(quickCase(12), &corpus.Divergence{Op: 1}), func(c *corpus.Case) bool {
		asked++
		return firstOf(c) > 0
	})
	require.Zero(t, small.Expect.Rate)
	small = small.Clone()
	small.Expect = nil
	require.Equal(t, string(want.Text()), string(small.Text()))
	require.Equal(t, flakyRuns+1+asked+confirmRuns, b.runs)
	require.Equal(t, &corpus.Runs{Of: confirmRuns, Wrong: confirmRuns, Least: 1, Most: 1}, d.Runs)
	require.True(t, stats.Minimal)
}

// What fails in one of fifty of its appends is shrunk, and counted in hundreds of
// runs.
func TestQuickComesAndGoes(t *testing.T) {
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		b := &quick{fails: func(c *corpus.Case) int {
			for i := range c.Ops {
				if r.IntN(50) == 0 {
					return i + 1
				}
			}
			return 0
		}}
		small, d, stats := minimizeQuick(t, b, quickCase(12), 30*time.Second)
		require.LessOrEqual(t, len(small.Ops), 2, "%s", small.Text())
		require.NotNil(t, d.Runs)
		require.Positive(t, d.Runs.Wrong)
		require.Greater(t, d.Runs.Of, 5*d.Runs.Wrong, "%s", d.Runs)
		require.Equal(t, corpus.Rate{Wrong: d.Runs.Wrong, Of: d.Runs.Of}, small.Expect.Rate)
		require.False(t, stats.Minimal)
	}
}

// A finding that fails each time, but of which smaller cases fail sometimes, is not
// taken at its word.
func TestQuickSureThenNot(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	b := &quick{fails: func(c *corpus.Case) int {
		if len(c.Ops) > 5 || len(c.Ops) > 0 && r.IntN(8) == 0 {
			return 1
		}
		return 0
	}}
	c := quickCase(12)
	all := b.fails
	b.fails = func(c *corpus.Case) int {
		if all(c) == 0 {
			return 0
		}
		return len(c.Ops) // so that nothing is cut off
	}
	small, d, _ := minimizeQuick(t, b, c, 30*time.Second)
	require.NotNil(t, d.Runs)
	require.GreaterOrEqual(t, float64(d.Runs.Wrong), enoughShare*float64(d.Runs.Of), "%s\n%s", d.Runs, small.Text())
	require.GreaterOrEqual(t, d.Runs.Of, leastRuns)
	require.Len(t, small.Ops, 6, "fewer fail too rarely: %s", small.Text())
}

// What is seen once and never again is left as it was found, and that is said.
func TestQuickNeverAgain(t *testing.T) {
	seen := false
	b := &quick{fails: func(*corpus.Case) int {
		if seen {
			return 0
		}
		seen = true
		return 3
	}}
	small, d, stats := minimizeQuick(t, b, quickCase(12), 30*time.Second)
	require.Len(t, small.Ops, 12)
	require.Equal(t, &corpus.Runs{Of: mostRuns}, d.Runs)
	require.Equal(t, flakyRuns+mostRuns, b.runs)
	require.Equal(t, corpus.Rate{Wrong: 1, Of: mostRuns + 1}, small.Expect.Rate)
	require.True(t, stats.Bounded)
}

// The time bounds all of it where runs are slow after all, whether the finding fails
// each time or not.
func TestQuickThatIsSlow(t *testing.T) {
	t.Parallel()
	for _, oneIn := range []int{1, 3} {
		if oneIn > 1 && testing.Short() {
			continue // it takes its two seconds
		}
		n := 0
		b := &quick{fails: func(c *corpus.Case) int {
			time.Sleep(20 * time.Millisecond)
			if n++; n%oneIn > 0 {
				return 0
			}
			return firstOf(c)
		}}
		small, d, stats := minimizeQuick(t, b, quickCase(40), 2*time.Second)
		require.NotNil(t, d)
		require.Len(t, small.Ops, 1, "cut off at once")
		require.True(t, stats.Bounded)
		require.Less(t, b.runs, 110)
	}
}
