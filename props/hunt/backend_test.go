package hunt

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// counting is a backend of its own: it counts the cases, and says that one diverges
// whose first chunk has more than two tokens.
type counting struct{ cases, batches int }

func (b *counting) Run(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	b.batches++
	all := make([]*corpus.Divergence, len(cases))
	for i, c := range cases {
		b.cases++
		if len(c.Ops) > 0 && c.Ops[0].N > 2 {
			all[i] = &corpus.Divergence{Op: 1, OpKind: "append", Tensor: "-", Fault: corpus.FaultAccepted, Detail: "three tokens or more"}
		}
	}
	return all, ctx.Err()
}

func (b *counting) Traits(window.Target) run.Traits { return run.Traits{Batch: 7} }

// A backend that nothing here knows is hunted in, shrunk and replayed like any
// other.
func TestAnyBackend(t *testing.T) {
	b := &counting{}
	all := run.Local()
	all.ByDevice["host"] = b
	target := window.Target{Update: "roll", Lowering: inplace.Fused, Device: "host"}
	r, err := Hunt(t.Context(), all, target, Options{Seed: 1, Cases: 20})
	require.NoError(t, err)
	require.Equal(t, 20, r.Cases)
	require.GreaterOrEqual(t, b.cases, 20)
	require.GreaterOrEqual(t, b.batches, 3, "batches of seven")
	require.Len(t, r.Findings, 1)
	f := r.Findings[0]
	require.Len(t, f.Small.Ops, 1, "%s", f.Small.Text())
	require.Equal(t, 3, f.Small.Ops[0].N)
	require.Greater(t, f.Seen, 1)
	v, err := (&Runner{Backends: all}).Replay(t.Context(), f.Small, 3)
	require.NoError(t, err)
	require.True(t, v.OK, v)
	require.Equal(t, 3, v.Runs.Wrong)
}

// traitless says nothing of its cases.
type traitless struct{ counting }

func (b *traitless) Traits(window.Target) run.Traits { return run.Traits{} }

// A backend without traits is handed case after case.
func TestBackendWithoutTraits(t *testing.T) {
	b := &traitless{}
	all := run.Local()
	all.ByDevice["host"] = b
	r, err := Hunt(t.Context(), all, window.Target{Update: "roll", Lowering: inplace.Fused, Device: "host"}, Options{Seed: 1, Cases: 5})
	require.NoError(t, err)
	require.Equal(t, 5, r.Cases)
}

// ending is a backend of somebody else's that runs so many cases, each of which diverges,
// and no more.
type ending struct{ left int }

var errEnded = errors.New("it does not start again")

func (b *ending) Run(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	return run.Each(ctx, cases, func(context.Context, *corpus.Case) (*corpus.Divergence, error) {
		if b.left--; b.left < 0 {
			return nil, errEnded
		}
		return &corpus.Divergence{Op: 1, OpKind: "start", Tensor: "-", Fault: corpus.FaultCrash}, nil
	})
}

func (b *ending) Traits(window.Target) run.Traits { return run.Traits{Batch: 7, Foreign: true} }

// What came of the cases of a batch before one that could not be run is a finding all the
// same, and a run that came to nothing is none in which a finding does not show.
func TestFoundBeforeAnError(t *testing.T) {
	for _, x := range []struct {
		ran, cases int
		runs       *corpus.Runs // of the finding, once it was found
		says       string
	}{
		{1, 1, nil, "cases 1 to 7 of seed 1: "},
		{3, 3, nil, "cases 1 to 7 of seed 1: "},
		{7 + 4, 7, &corpus.Runs{Wrong: 4, Of: 4}, "cases 8 to 14 of seed 1: "},
	} {
		all := run.Local()
		all.ByDevice["worker"] = &ending{left: x.ran}
		r, err := Hunt(t.Context(), all, window.WorkerTarget("w"), Options{Seed: 1, Cases: 20})
		require.ErrorIs(t, err, errEnded)
		require.ErrorContains(t, err, x.says)
		require.Equal(t, x.cases, r.Cases)
		require.Len(t, r.Findings, 1)
		require.Equal(t, x.cases, r.Findings[0].Seen)
		require.Equal(t, x.runs, r.Findings[0].Divergence.Runs)
	}
}
