package props

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/shrink"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/hunt"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// Every regression case does what its last line says.
func TestRegressions(t *testing.T) {
	files, err := filepath.Glob("../corpus/regressions/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	r := hunt.Local()
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			c, err := corpus.ReadFile(file, 0)
			require.NoError(t, err)
			require.NotNil(t, c.Expect, "a regression case says what it expects")
			d, err := r.One(t.Context(), c)
			require.NoError(t, err)
			require.True(t, c.Expect.Matches(d), "expected %s, got %s: %v", c.Expect, d.Expect(), d)
		})
	}
}

// The shrinker on small scope: for every known-bad target all cases of
// shrink.Scope are run, which gives the true minimum of each of its failures;
// random failing cases must shrink to exactly that.
func TestShrinkReachesTheMinimum(t *testing.T) {
	if testing.Short() || inplace.RaceEnabled {
		t.Skip("runs a million cases a target: without -short and without -race only")
	}
	const starts = 1000
	for _, target := range window.Targets() {
		if target.Sound() || target.Device != "sim" || target.Update == "program" {
			continue
		}
		t.Run(target.String(), func(t *testing.T) {
			t.Parallel()
			r := hunt.Local()
			least := map[corpus.Failure]*corpus.Case{}
			all := 0
			shrink.EnumerateScope(target, shrink.Scope().Ops, shrink.Scope().Tokens, func(c *corpus.Case) bool {
				all++
				d, err := r.One(t.Context(), c)
				require.NoError(t, err)
				if d == nil {
					return true
				}
				f := d.Failure(target)
				if least[f] == nil || corpus.Compare(c, least[f]) < 0 {
					least[f] = c.Clone()
				}
				return true
			})
			require.NotEmpty(t, least)
			draw := corpus.Draws(target, 2)
			reached, proven, odd, beyond := 0, 0, 0, 0
			type shrunk struct {
				small *corpus.Case
				stats shrink.Stats
			}
			last := map[string]shrunk{}
			for reached+proven+odd < starts && beyond < 10*starts {
				c := draw()
				d, err := r.One(t.Context(), c)
				require.NoError(t, err)
				if d == nil {
					continue
				}
				want := d.Failure(target)
				least := least[want]
				if least == nil {
					beyond++ // the smallest case of this failure lies outside Scope
					continue
				}
				fails := func(c *corpus.Case) bool {
					d, err := r.One(t.Context(), c)
					return err == nil && d != nil && d.Failure(target) == want
				}
				small, stats := shrink.Steps(t.Context(), c, true, fails)
				require.False(t, stats.Bounded)
				if corpus.Compare(small, least) == 0 {
					// The last stage would run every smaller case of Scope;
					// none of them fails, as the enumeration has shown.
					reached++
					continue
				}
				// The last stage starts from what the steps reached and depends on
				// nothing else: one run of it serves all starts that end there.
				key := string(small.Text())
				if _, ok := last[key]; !ok {
					small, stats := shrink.Case(t.Context(), c, fails)
					last[key] = shrunk{small, stats}
				}
				small, stats = last[key].small, last[key].stats
				if !shrink.InScope(small) {
					// Chunks of another shape lie outside Scope, and such a
					// case may be smaller still.
					require.Negative(t, corpus.Compare(small, least), "from\n%s\nto\n%s\nwhere the minimum is\n%s", c.Text(), small.Text(), least.Text())
					odd++
					continue
				}
				require.True(t, stats.Minimal, "from\n%s\nto\n%s\nwhere the minimum is\n%s", c.Text(), small.Text(), least.Text())
				require.Zero(t, corpus.Compare(small, least), "from\n%s\nto\n%s\nwhere the minimum is\n%s", c.Text(), small.Text(), least.Text())
				proven++
			}
			t.Logf("%d cases enumerated, %d failures; %d starts reached the minimum by steps, %d by the last stage, %d a smaller case outside the scope; %d failures beyond it", all, len(least), reached, proven, odd, beyond)
			require.Equal(t, starts, reached+proven+odd)
		})
	}
}

// The smallest cases of the race of pytorch#159855 are what they must be: one
// lane, dim 1, a window of two rows, two blocks, and the second first.
func TestSmallestRace(t *testing.T) {
	for _, update := range []string{"cat", "roll"} {
		target := window.Target{Update: update, Lowering: inplace.DropWAR, Device: "sim"}
		result, err := hunt.Hunt(t.Context(), run.Local(), target, hunt.Options{Seed: 3, Cases: 100})
		require.NoError(t, err)
		require.NotEmpty(t, result.Findings)
		f := result.Findings[0]
		require.True(t, f.Stats.Minimal)
		require.Equal(t, `slidefuzz case v1
shape batch=1 heads=1 window=2 dim=1 dtype=U8 layout=heads-first
target `+target.String()+`
block 1
schedule 1
append 2
append 1
expect op=2 tensor=keys hazard=WAR
`, string(f.Small.Text()))
	}
}

// A definition gives way to what it names: the smallest program is the one
// statement at fault.
func TestShrinkInlines(t *testing.T) {
	for _, x := range []struct{ name, program string }{
		{"read", "u = x[0:11]\nx[1:3] = u[0:2]"},
		{"written", "u = x[2:9]\nu[1:3] = x[2:4]"},
		{"a value", "u = roll(x[0:3], 1)\nt = u[0:3]\nx[0:3] = t[0:3]"},
	} {
		t.Run(x.name, func(t *testing.T) {
			text := "slidefuzz case v1\nshape batch=1 heads=1 window=1 dim=1 dtype=F16 layout=heads-first\n" +
				"target program/drop-war/sim\nblock 1\nschedule ascending\nbuffer x 11\n" + x.program + "\n"
			c, err := corpus.Parse(x.name, []byte(text), 0)
			require.NoError(t, err)
			r := hunt.Local()
			d, err := r.One(t.Context(), c)
			require.NoError(t, err)
			require.NotNil(t, d)
			small, _, _, err := r.Minimize(t.Context(), c, d)
			require.NoError(t, err)
			require.Len(t, small.Program.Stmts, 1, "%s", small.Text())
		})
	}
}

// The shrinker asks for no candidate twice, and comes to the same smallest cases
// as one that forgets, in a third fewer runs.
func TestShrinkerRemembers(t *testing.T) {
	t.Parallel()
	findings := 100
	if testing.Short() {
		findings = 20
	}
	var targets []window.Target
	for _, target := range window.TargetsOn("sim") {
		if !target.Sound() {
			targets = append(targets, target)
		}
	}
	r := hunt.Local()
	found, forgetful, remembering := 0, 0, 0
	for seed := uint64(1); found < findings; seed++ {
		for _, target := range targets {
			draw := corpus.Draws(target, seed)
			var c *corpus.Case
			var d *corpus.Divergence
			for d == nil {
				c = draw()
				var err error
				d, err = r.One(t.Context(), c)
				require.NoError(t, err)
			}
			want := d.Failure(target)
			seen := map[string]int{}
			fails := func(c *corpus.Case) bool {
				seen[string(c.Text())]++
				d, err := r.One(t.Context(), c)
				return err == nil && d != nil && d.Failure(target) == want
			}
			plain, before := shrink.Steps(t.Context(), c, false, fails)
			clear(seen)
			small, after := shrink.Steps(t.Context(), c, true, fails)
			for text, n := range seen {
				require.Equal(t, 1, n, "%s", text)
			}
			require.Equal(t, string(plain.Text()), string(small.Text()))
			require.LessOrEqual(t, after.Runs, before.Runs)
			found, forgetful, remembering = found+1, forgetful+before.Runs, remembering+after.Runs
		}
	}
	t.Logf("%d findings: %d runs, %d without memory", found, remembering, forgetful)
	require.Less(t, 3*remembering, 2*forgetful)
}
