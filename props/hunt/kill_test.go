package hunt

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// killCases is what a planted bug must be caught within.
const killCases = 10_000

// Each planted bug is caught by the draws of the properties, by each seed, and its
// smallest case has the same outcome each time.
func TestEachBugIsCaught(t *testing.T) {
	o := KillOptions{Seeds: 3, Cases: killCases, Replays: 100}
	b := run.Local()
	for i, bug := range window.Bugs() {
		if testing.Short() && i%15 > 0 {
			continue
		}
		t.Run(bug.Target.String(), func(t *testing.T) {
			k, err := KillBug(t.Context(), b, bug, o)
			require.NoError(t, err)
			require.Zero(t, k.Missed(), "cases until caught, 0 for never: %v", k.At)
			require.Len(t, k.At, o.Seeds)
			require.LessOrEqual(t, k.Median(), k.Worst())
			require.LessOrEqual(t, k.Worst(), killCases)
			require.Equal(t, o.Replays, k.Failed, "of its smallest case")
			require.Equal(t, bug.Racy, k.Divergence.Race != nil, "whether it is by schedule: %v", k.Divergence)
			read, err := corpus.Parse("small", k.Small.Text(), 0)
			require.NoError(t, err)
			require.Equal(t, bug.Target, read.Target)
		})
	}
}

// A bug that no seed catches is told as that, a target that is sound does not count as
// one that is caught, and a context that ends ends it.
func TestKillOfWhatIsNotCaught(t *testing.T) {
	bug := window.Bug{Target: window.BuiltinCache("sliding")} // the control of mlx-lm#1914
	k, err := KillBug(t.Context(), run.Local(), bug, KillOptions{Seeds: 2, Cases: 300, Replays: 3})
	require.NoError(t, err)
	require.Equal(t, []int{0, 0}, k.At)
	require.Equal(t, 2, k.Missed())
	require.Zero(t, k.Median())
	require.Zero(t, k.Worst())
	require.Nil(t, k.Small)

	k = Kill{At: []int{7, 0, 3}}
	require.Equal(t, 7, k.Median())
	require.Zero(t, k.Worst(), "one seed missed it")
	require.Equal(t, 1, k.Missed())
	k = Kill{At: []int{9, 2, 4}}
	require.Equal(t, [2]int{4, 9}, [2]int{k.Median(), k.Worst()})

	_, err = KillBug(t.Context(), run.Local(), bug, KillOptions{})
	require.ErrorContains(t, err, "at least one")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = KillBug(ctx, run.Local(), bug, KillOptions{Seeds: 1, Cases: 10})
	require.ErrorIs(t, err, context.Canceled)
}

// Shrunk cases are no larger than what triggered the bug where it was seen.
func TestSmallestCases(t *testing.T) {
	for name, trigger := range map[string]string{
		"sliding-return-clamped":     "window=512 dim=1 dtype=F32; append 512; append 188",
		"rotating-keeps-up-to-index": "window=4 dim=1 dtype=F32; append 3; append 1; append 1; append 1; append 1; append 1; append 1; append 2",
		"rotating-trim-moves-index":  "window=4 dim=1 dtype=F32; append 1; append 1; append 1; append 1; append 1; append 1; crop 4; append 1",
		"static-adds-prefill":        "window=8 dim=1 dtype=F32; append 10; append 10",
		"cells-masked-for-last":      "window=4 dim=1 dtype=F32; append 8; append 3",
	} {
		info, ok := window.LookupCache(name)
		require.True(t, ok, name)
		k, err := KillBug(t.Context(), run.Local(), window.Bug{Target: window.BuiltinCache(info.Name)}, KillOptions{Seeds: 1, Cases: killCases})
		require.NoError(t, err)
		c, err := corpus.ParseShort("trigger", trigger, 0)
		require.NoError(t, err)
		c.Target = window.BuiltinCache(name)
		d, err := run.Local().One(t.Context(), c)
		require.NoError(t, err)
		require.NotNil(t, d, "%s: its trigger does not show it", name)
		require.True(t, smaller(k.Small, c), "%s: %s", name, k.Small.Short())
		c.Target = window.BuiltinCache(info.Base)
		d, err = run.Local().One(t.Context(), c)
		require.NoError(t, err)
		require.Nil(t, d, "%s: the cache without the bug", name)
	}
}
