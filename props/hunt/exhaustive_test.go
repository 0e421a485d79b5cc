package hunt_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus/shrink"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/hunt"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// outsideBounds lists the known-bad targets that have no failing case within the
// bounds of an exhaustive hunt, and why.
var outsideBounds = map[string]string{
	"go/aligned-copies-16-bytes":   "needs rows of more than 16 bytes",
	"go/pages-writes-shared":       "needs a page of four tokens that is full in part",
	"go/pages-padded-batch":        "needs a batch of three",
	"go/sliding-ignores-strides":   "needs the other layout",
	"go/sliding-bf16-as-f16":       "needs BF16",
	"go/sliding-type-of-first-use": "needs two element types",
	"go/cells-rollback-over-hole":  "needs more operations",
	"go/beams-frees-saved":         "needs more operations",
	"go/beams-hit-keeps-position":  "needs more operations",
}

// What is within the bounds, and which known-bad targets fail there, is fixed here: a
// hunt that shows none of them in sound targets says that there is none.
func TestExhaustive(t *testing.T) {
	sequences, entries, orders := hunt.ExhaustiveBounds()
	require.Equal(t, shrink.Bounds{Ops: 4, Tokens: 7, Window: 4, Heads: 2, Dim: 2}, sequences)
	require.Equal(t, shrink.Bounds{Ops: 3, Tokens: 6, Window: 3, Heads: 1, Dim: 1, Batch: 2}, entries)
	require.Equal(t, shrink.Bounds{Ops: 2, Tokens: 7, Window: 4, Heads: 2, Dim: 2}, orders)
	if testing.Short() || inplace.RaceEnabled {
		t.Skip("runs millions of cases: without -short and without -race only")
	}
	for _, target := range slices.Concat(window.TargetsOn("sim"), window.TargetsOn(window.Go)) {
		// The sound ones have the same cases each: two of them here, all in a hunt.
		if sample := target.String(); target.Sound() && sample != "roll/fused/sim" && sample != "go/pages" {
			continue
		}
		t.Run(target.String(), func(t *testing.T) {
			t.Parallel()
			x, err := hunt.Exhaustive(t.Context(), run.Local(), target)
			require.NoError(t, err)
			require.True(t, x.Complete)
			_, outside := outsideBounds[target.String()]
			outside = outside || target.Update == "program" // random programs have no bounds
			require.Equal(t, target.Sound() || outside, x.Small == nil, "%d cases, %v", x.Cases, x.Divergence)
			if target.Racy() && x.Divergence != nil {
				require.NotNil(t, x.Divergence.Race, "the detector finds it")
			}
			if target.Update != "program" {
				require.Positive(t, x.Cases)
			}
		})
	}
}
