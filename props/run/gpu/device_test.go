package gpu

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/gpu"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// device opens a device, or skips the test where the machine lacks it and
// SLIDEFUZZ_REQUIRE does not name it.
func device(tb testing.TB, name string) *gpu.Device {
	tb.Helper()
	d, err := gpu.Open(name)
	require.NoError(tb, err)
	about, err := d.About(tb.Context())
	var missing *gpu.MissingError
	if errors.As(err, &missing) && !slices.Contains(strings.Split(os.Getenv("SLIDEFUZZ_REQUIRE"), ","), name) {
		tb.Skip("SKIPPED, NOTHING WAS TESTED: " + err.Error())
	}
	require.NoError(tb, err)
	tb.Log(about)
	return d
}

// drawn is random cases of targets on a device, in turn.
func drawn(targets []window.Target, n int) []*corpus.Case {
	draws := make([]func() *corpus.Case, len(targets))
	for i, t := range targets {
		draws[i] = corpus.Draws(t, 7)
	}
	cases := make([]*corpus.Case, n)
	for i := range cases {
		cases[i] = draws[i%len(draws)]()
	}
	return cases
}

func targets(device string, keep func(window.Target) bool) []window.Target {
	return slices.DeleteFunc(window.TargetsOn(device), func(t window.Target) bool { return !keep(t) })
}

// moved is a case on another device.
func moved(c *corpus.Case, device string) *corpus.Case {
	c = c.Clone()
	c.Target.Device = device
	return c
}

// count is how many cases a test runs: few with -short.
func count(n int) int {
	if testing.Short() {
		return n / 20
	}
	return n
}

// A trace on this machine comes to what the runner finds step by step.
func TestScripts(t *testing.T) {
	r, local := newRecorder(), run.Local()
	diverged := 0
	for _, c := range drawn(window.TargetsOn("opencl"), count(10_000)) {
		want, err := local.One(t.Context(), moved(c, "sim"))
		require.NoError(t, err)
		rec, err := r.record(t.Context(), c)
		require.NoError(t, err)
		got, err := r.judge(rec, []gpu.Result{{Outcome: rec.trace.Run()}})
		require.NoError(t, err)
		sameDivergence(t, c, want, got)
		if want != nil {
			diverged++
		}
	}
	require.Positive(t, diverged)
}

func sameDivergence(t *testing.T, c *corpus.Case, want, got *corpus.Divergence) {
	t.Helper()
	if (want == nil) != (got == nil) {
		t.Fatalf("sim: %v\ndevice: %v\n%s", want, got, c.Text())
	}
	if want == nil {
		return
	}
	if diff := cmp.Diff(want.String(), got.String()); diff != "" || want.Wrong != got.Wrong {
		t.Fatalf("%s%d wrong cells, %d on the device\n%s", diff, want.Wrong, got.Wrong, c.Text())
	}
}

// blocks is how many blocks the kernels of a trace have.
func blocks(s *inplace.Trace) int {
	n := 0
	for _, step := range s.Steps {
		if step.Kind == inplace.Move {
			n += step.Kernel.Blocks()
		}
	}
	return n
}

// shortBlocks is the most blocks of a case with -short: four of five have no
// more. When the other cases of a launch are done, the blocks of the longest wait
// for each other alone, and the longest here has 9,000.
const shortBlocks = 300

// brief is the cases that -short runs of those drawn.
func brief(t *testing.T, cases []*corpus.Case) []*corpus.Case {
	t.Helper()
	if !testing.Short() {
		return cases
	}
	r := newRecorder()
	some := slices.DeleteFunc(slices.Clone(cases), func(c *corpus.Case) bool {
		rec, err := r.record(t.Context(), c)
		require.NoError(t, err)
		return blocks(rec.trace) > shortBlocks
	})
	require.Greater(t, len(some), len(cases)/2)
	return some
}

// On every device: sound targets agree with the oracle, as on host and sim,
// and known-bad ones leave the same wrong bytes as sim, in an order that the
// case forces.
func TestDevicesAgree(t *testing.T) {
	for _, name := range []string{"opencl", "cuda"} {
		t.Run(name, func(t *testing.T) {
			d := device(t, name)
			d.Close()
			defer d.Close()
			r, b, local := newRecorder(), &Backend{Device: name, Timeout: busy}, run.Local()
			sound := brief(t, drawn(targets(name, window.Target.Sound), count(10_000)))
			for part := range slices.Chunk(sound, 1000) {
				all, err := b.Run(t.Context(), part)
				require.NoError(t, err)
				for i, d := range all {
					require.Nil(t, d, "%s\n%s", d, part[i].Text())
					for _, other := range [...]string{"host", "sim"} {
						c := moved(part[i], other)
						d, err := local.One(t.Context(), c)
						require.NoError(t, err)
						require.Nil(t, d, "%s\n%s", d, c.Text())
					}
				}
			}
			// The bytes of the checked buffer, not only what is said of them.
			bad := brief(t, drawn(targets(name, window.Target.Racy), count(4_000)))
			diverged := 0
			for part := range slices.Chunk(bad, 1000) {
				traces := make([]*inplace.Trace, len(part))
				for i, c := range part {
					rec, err := r.record(t.Context(), c)
					require.NoError(t, err)
					traces[i] = rec.trace
				}
				results, err := d.Run(context.Background(), traces)
				require.NoError(t, err)
				for i, got := range results {
					require.NoError(t, got.Err)
					want := traces[i].Run()
					if diff := cmp.Diff(want, got.Outcome); diff != "" {
						t.Fatalf("-sim +%s:\n%s%s", name, diff, part[i].Text())
					}
					if want.Failed {
						diverged++
					}
				}
			}
			t.Logf("%d sound cases agree; %d known-bad ones, %d of them with the same wrong bytes", len(sound), len(bad), diverged)
			require.GreaterOrEqual(t, diverged, len(bad)/4)
		})
	}
}

// busy is a time limit for a machine that has other things to do: on a CPU the
// blocks of a forced order wait for each other by spinning, and one that is not
// let run holds up all.
const busy = 10 * time.Minute

// largeTrace is the blocks from which on a device runs a trace by itself.
const largeTrace = 1 << 14

// One large trace takes a launch a step, and gives the same. With -short it is
// one of a sound target, and the device chooses the order: in one that is forced
// the blocks wait for each other, which takes PoCL half a millisecond a block on
// a busy machine. gpu.TestAlone forces one on small traces.
func TestLargeScripts(t *testing.T) {
	for _, name := range []string{"opencl", "cuda"} {
		t.Run(name, func(t *testing.T) {
			device(t, name)
			r, b, local := newRecorder(), &Backend{Device: name, Timeout: busy}, run.Local()
			rng := rand.New(rand.NewPCG(1, 2))
			all := targets(name, func(t window.Target) bool { return !t.IsProgram() })
			if testing.Short() {
				all = []window.Target{{Update: "roll", Lowering: inplace.Fused, Device: name}}
			}
			for _, target := range all {
				c := &corpus.Case{
					Shape:    impls.Shape{Batch: 2, Heads: 2, Window: 256, Dim: 24, DType: impls.DType(rng.IntN(5)), Layout: impls.Layout(rng.IntN(2))},
					Target:   target,
					Block:    1 + rng.IntN(3),
					Schedule: inplace.Schedule{Kind: inplace.Random, Seed: rng.Uint64()},
					Ops:      []corpus.Op{{Kind: corpus.Append, N: 300, Pad: []int{0, 17}}, {Kind: corpus.Append, N: 1}, {Kind: corpus.Append, N: 1}},
				}
				want, err := local.One(t.Context(), moved(c, "sim"))
				require.NoError(t, err)
				if testing.Short() {
					c.Schedule, b.NativeRuns = inplace.Schedule{Kind: inplace.Native}, 2
				}
				rec, err := r.record(t.Context(), c)
				require.NoError(t, err)
				require.GreaterOrEqual(t, blocks(rec.trace), largeTrace)
				got, err := b.Run(t.Context(), []*corpus.Case{c})
				require.NoError(t, err)
				sameDivergence(t, c, want, got[0])
				require.Equal(t, target.Sound(), got[0] == nil)
			}
		})
	}
}
