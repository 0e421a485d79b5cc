package hunt

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// hostRace is a race on host that shows nearly always: 4,096 blocks.
func hostRace(t *testing.T, expect string) *corpus.Case {
	t.Helper()
	if inplace.RaceEnabled {
		t.Skip("with -race host runs such a kernel on one goroutine")
	}
	c, err := corpus.Parse("case", []byte("slidefuzz case v1\nshape batch=1 heads=1 window=4096 dim=1 dtype=F32 layout=heads-first\n"+
		"target cat/drop-war/host\nblock 1\nschedule native\nappend 4096\nappend 1\n"+expect), 0)
	require.NoError(t, err)
	return c
}

// A finding in an order that nobody knows says k of n, and carries the same race
// as a case on sim that fails each time.
func TestNativeFinding(t *testing.T) {
	c := hostRace(t, "")
	r := Local()
	var d *corpus.Divergence
	for d == nil {
		var err error
		d, err = r.One(t.Context(), c)
		require.NoError(t, err)
	}
	small, d, stats, err := r.Minimize(t.Context(), c, d)
	require.NoError(t, err)
	require.False(t, stats.Minimal)
	require.Equal(t, c.Shape, small.Shape, "left as it was found")
	require.NotNil(t, d.Runs)
	require.Positive(t, d.Runs.Wrong)
	require.NotNil(t, d.Sim)
	require.Equal(t, "sim", d.Sim.Target.Device)
	require.Equal(t, 2, d.Sim.Shape.Window, "%s", d.Sim.Text())
	for range 10 {
		again, err := r.One(t.Context(), d.Sim)
		require.NoError(t, err)
		require.True(t, d.Sim.Expect.Matches(again), "%s", again)
		require.Equal(t, again.Race.Order, d.Race.Order, "the order that is listed is one that fails")
	}
	// Runs that follow each other are not independent: for some milliseconds one core may do
	// all blocks, and none of twenty races.
	var v Verdict
	for range 10 {
		if v, err = r.Replay(t.Context(), small, 0); err != nil || v.OK {
			break
		}
	}
	require.NoError(t, err)
	require.True(t, v.OK, v)
	require.Regexp(t, `[0-9]+ of [0-9]+ runs? diverged`, v.String())
}

// Replay in a native order is judged by k of n: what is expected need show once,
// and agreement each time.
func TestReplayNative(t *testing.T) {
	r := Local()
	for range 5 {
		v, err := r.Replay(t.Context(), hostRace(t, "expect op=2 tensor=keys hazard=WAR rate=100/200\n"), 0)
		require.NoError(t, err)
		require.True(t, v.OK, v)
		require.Equal(t, 200, v.Runs.Of, "as often as it was counted")
		require.Contains(t, v.String(), "; as expected (")
	}
	v, err := r.Replay(t.Context(), hostRace(t, "expect ok\n"), 200)
	require.NoError(t, err)
	require.False(t, v.OK, v)
	require.Contains(t, v.String(), "NOT AS EXPECTED: want ok")

	sound := hostRace(t, "expect op=2 tensor=keys hazard=WAR\n")
	sound.Target.Lowering = inplace.Fused
	v, err = r.Replay(t.Context(), sound, 100)
	require.NoError(t, err)
	require.False(t, v.OK, v)
	require.Contains(t, v.String(), "(0 of 100 runs diverged; a rate of 3 % or more is excluded at 95 %)")
	sound.Expect = &corpus.Expect{OK: true}
	v, err = r.Replay(t.Context(), sound, 100)
	require.NoError(t, err)
	require.True(t, v.OK, v)
}

// In an order that the case gives every run must be as expected.
func TestReplayOrdered(t *testing.T) {
	c := hostRace(t, "expect op=2 tensor=keys hazard=WAR\n")
	c.Target.Device, c.Schedule = "sim", inplace.Schedule{Kind: inplace.Descending}
	v, err := Local().Replay(t.Context(), c, 3)
	require.NoError(t, err)
	require.True(t, v.OK, v)
	require.Contains(t, v.String(), "as expected (3 of 3 runs diverged)")
	c.Schedule = inplace.Schedule{}
	v, err = Local().Replay(t.Context(), c, 3)
	require.NoError(t, err)
	require.False(t, v.OK, v)
	require.Contains(t, v.String(), "agrees with the oracle; NOT AS EXPECTED: want op=2 tensor=keys hazard=WAR (0 of 3 runs diverged)")
}

func TestExcluded(t *testing.T) {
	require.InDelta(t, 0.95, excluded(1), 1e-9)
	require.InDelta(t, 0.00994, excluded(300), 1e-5, "the rule of three")
	for x, up := range map[float64]float64{0.9936: 1, 7.2160: 7.3, 95: 95, 13.9: 14, 0.0998: 0.1} {
		require.InDelta(t, up, roundUp(x), 1e-9)
	}
}
