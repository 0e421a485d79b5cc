package hunt

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// vague is a backend that cannot say whether its runs are right.
type vague struct{ counting }

func (b *vague) Sample(_ context.Context, _ *corpus.Case, n int) (run.Sampled, error) {
	return run.Sampled{Each: make([]*corpus.Divergence, n), Undecided: n}, nil
}

// A replay that could not be judged is no agreement, with an expectation or without.
func TestReplayUndecided(t *testing.T) {
	all := run.Local()
	all.ByDevice["engine"] = &vague{}
	for expect, says := range map[string]string{
		"":            "not run: 2: so many steps are undecided that it could not be judged (0 of 2 runs diverged)",
		"expect ok\n": "not run: 2: so many steps are undecided that it could not be judged; NOT AS EXPECTED: want ok (0 of 2 runs diverged)",
	} {
		c, err := corpus.Parse("case", []byte("slidefuzz case v1\nshape window=3\ntarget engine/e\n"+
			"model arch=mistral kind=visible layers=1 heads=2 kv=1 dim=64 dtype=F32 seed=1\nprompt a 4\n"+expect), 0)
		require.NoError(t, err)
		v, err := (&Runner{Backends: all}).Replay(t.Context(), c, 2)
		require.NoError(t, err)
		require.False(t, v.OK)
		require.Equal(t, says, v.String())
	}
}
