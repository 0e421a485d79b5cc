package hunt

import (
	"context"
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
