package hunt

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// Each known-bad lowering breaks what it says and leaves the meaning of all other updates
// and programs alone.
func TestKnownBadLoweringsBreakWhatTheySay(t *testing.T) {
	names := map[string]bool{}
	for _, target := range window.TargetsOn("sim") {
		if u, ok := window.LookupUpdate(target.Update); target.Update != "program" && (!ok || u.Sound()) {
			names[target.Update] = true
		}
	}
	b := run.Local()
	cases := 1000
	if testing.Short() {
		cases = 300
	}
	for name := range names {
		if _, update := window.LookupUpdate(name); update && testing.Short() {
			continue
		}
		for _, how := range inplace.Lowerings() {
			target := window.Target{Update: name, Lowering: how, Device: "sim"}
			draw := corpus.Draws(target, 1)
			caught := false
			for n := 0; n < cases && !caught; n++ {
				c := draw()
				d, err := b.One(t.Context(), c)
				require.NoError(t, err)
				caught = d != nil
			}
			require.Equal(t, !target.Sound(), caught, target)
		}
	}
}

// A known-bad lowering whose fault is a race goes wrong only where the detector finds a
// hazard; one that is wrong in every order has none.
func TestRacyLoweringsAreThoseWithHazards(t *testing.T) {
	b := run.Local()
	r := rand.New(rand.NewPCG(13, 1))
	cases := 20_000
	if testing.Short() {
		cases = 3_000
	}
	wrong := map[inplace.Lowering]int{}
	in := make([]byte, corpus.MaxDraw)
	for range cases {
		for i := range in {
			in[i] = byte(r.Uint32())
		}
		// Of either grammar: what is returned is only in the wider one.
		prefix := [...]string{"", corpus.ProgramPrefix}[r.IntN(2)]
		c := corpus.DecodeProgram(append([]byte(prefix), in[:r.IntN(len(in))]...))
		for _, how := range inplace.Lowerings() {
			c.Target.Lowering = how
			d, err := b.One(t.Context(), c)
			require.NoError(t, err)
			if d != nil {
				require.False(t, how.Sound(), "%v\n%s", d, c.Text())
				require.Equal(t, how.Racy(), d.Race != nil, "%v\n%s", d, c.Text())
				wrong[how]++
			}
		}
	}
	t.Log(wrong)
	for _, how := range inplace.Lowerings() {
		if !how.Sound() && how != inplace.OneBlock {
			require.Positive(t, wrong[how], how)
		}
	}
}
