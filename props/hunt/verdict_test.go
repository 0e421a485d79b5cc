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

// steady is a backend whose runs agree.
type steady struct{ counting }

func (b *steady) Sample(_ context.Context, _ *corpus.Case, n int) (run.Sampled, error) {
	return run.Sampled{Each: make([]*corpus.Divergence, n)}, nil
}

// What was seen rarely and is not seen in as many runs again need not be gone.
func TestReplayOfWhatWasSeenOnce(t *testing.T) {
	all := run.Local()
	all.ByDevice["worker"] = &steady{}
	for rate, says := range map[string]string{
		" rate=1/11": "agrees with the oracle; not seen again in 11 runs, too few to tell: its rate was 1 of 11, which --times 32 without it would exclude (0 of 11 runs diverged; a rate of 24 % or more is excluded at 95 %)",
		" rate=9/20": "agrees with the oracle; NOT AS EXPECTED: want op=1 tensor=keys hazard=none rate=9/20 (0 of 20 runs diverged; a rate of 14 % or more is excluded at 95 %)",
		"":           "agrees with the oracle; NOT AS EXPECTED: want op=1 tensor=keys hazard=none (0 of 1 run diverged; a rate of 95 % or more is excluded at 95 %)",
	} {
		c, err := corpus.Parse("case", []byte("slidefuzz case v1\nshape batch=1 heads=1 window=2 dim=1 dtype=F32 layout=heads-first\ntarget worker/w\nblock 1\nschedule native\nappend 1\n"+
			"expect op=1 tensor=keys hazard=none"+rate+"\n"), corpus.DefaultLimit)
		require.NoError(t, err)
		v, err := (&Runner{Backends: all}).Replay(t.Context(), c, 0)
		require.NoError(t, err)
		require.False(t, v.OK)
		require.Equal(t, says, v.String())
		if v, err = (&Runner{Backends: all}).Replay(t.Context(), c, 1); rate == " rate=1/11" {
			require.NoError(t, err)
			require.Contains(t, v.String(), "; not seen again in 1 run, too few to tell: ")
		}
	}
	require.Equal(t, 32, runsToExclude(1./11))
	require.Less(t, excluded(32), 1./11)
}
