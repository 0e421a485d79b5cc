package hunt

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// A fault of a built-in cache in Go is caught, shrunk to a case that the cache takes,
// and fails again; what the hunt's cases came to is counted.
func TestHuntBuiltinCaches(t *testing.T) {
	// The slowest of these are caught within 236 cases for seed 1.
	cases := 500
	if testing.Short() {
		cases = 240
	}
	for i, target := range window.TargetsOn(window.Go) {
		if target.Sound() || i%5 > 0 || testing.Short() && i%15 > 0 {
			continue // TestEachBugIsCaught and props.TestBadCaches have all
		}
		t.Run(target.Update, func(t *testing.T) {
			b := run.Local()
			r, err := Hunt(t.Context(), b, target, Options{Seed: 1, Cases: cases})
			require.NoError(t, err)
			require.NotEmpty(t, r.Findings)
			require.Empty(t, r.Unexpected())
			for _, f := range r.Findings {
				require.True(t, b.ByDevice[window.Go].(run.Fitter).Takes(f.Small), "%s", f.Small.Text())
				read, err := corpus.Parse("small", f.Small.Text(), 0)
				require.NoError(t, err)
				v, err := (&Runner{Backends: b}).Replay(t.Context(), read, 0)
				require.NoError(t, err)
				require.True(t, v.OK, v)
			}
			appends := r.Counts["append"]
			require.Positive(t, appends.Accepted)
			require.Positive(t, appends.Refused, "chunks of another shape are always refused")
			require.Less(t, appends.Accepted+appends.Refused, cases*48, "what the shrinker asks is not counted")
		})
	}
}

// Hunts in what refuses nothing count nothing.
func TestHuntCountsNothing(t *testing.T) {
	r, err := Hunt(t.Context(), run.Local(), window.Target{Update: "roll", Device: "sim"}, Options{Seed: 1, Cases: 10})
	require.NoError(t, err)
	require.Nil(t, r.Counts)
}
