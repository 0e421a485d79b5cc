package props_test

import (
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/props"
)

// failing runs the test that calls it once more in a process of its own, which must
// fail, and returns what that prints.
func failing(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"-test.run=^" + t.Name() + "$", "-slidefuzz.seed=1", "-slidefuzz.cases=300"}, args...)...)
	cmd.Env = append(os.Environ(), verdictVar+"="+name)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "it passes:\n%s", out)
	require.Equal(t, 1, exit.ExitCode(), "%s", out)
	return string(out)
}

// A case of one's own cache is replayed under the options, and one that says nothing
// of the cache is no silent pass.
func TestReplayCache(t *testing.T) {
	const text = "window=2 dim=8 dtype=U8; append 4; append 1"
	wrong := wrongOn(func(s impls.Shape) bool { return s.Window == 2 })
	replays := map[string]struct {
		says string
		run  func(t *testing.T)
	}{
		"diverges": {"op 1 (append), keys returned: lane 0 row 0 holds nothing (zeros), expected token 0\n", func(t *testing.T) { props.ReplayCache(t, wrong, text, props.Chunks()) }},
		"capability": {"operation 2, select 0, needs a cache that implements impls.Selector; this one does not: implement it, or delete the case", func(t *testing.T) {
			props.ReplayCache(t, newListCache, "window=2 dim=8 dtype=U8; append 4; select 0", props.Chunks())
		}},
		"positions": {"0 lists of positions", func(t *testing.T) { props.ReplayCache(t, newListed(0), "window=2 dim=8 dtype=U8; append 1") }},
		"options":   {"the options leave this case out", func(t *testing.T) { props.ReplayCache(t, newListCache, text, props.Chunks(), props.Dims(7)) }},
		"text":      {`case:1: append: "two" is not a number`, func(t *testing.T) { props.ReplayCache(t, newListCache, "window=2 dim=8 dtype=U8; append two") }},
		"target":    {"the case is of target roll/fused/sim: want target cache, or none; props.Replay replays those of built-in targets", func(t *testing.T) { props.ReplayCache(t, newListCache, text+"; target roll/fused/sim") }},
		"rate": {"(run 3 of 5)", func(t *testing.T) {
			props.ReplayCache(t, fourthIsWrong(), text+"; expect op=2 tensor=keys hazard=none rate=1/5", props.Chunks())
		}},
	}
	if name := os.Getenv(verdictVar); name != "" {
		replays[name].run(t)
		return
	}
	props.ReplayCache(t, newListCache, text, props.Chunks())
	for name, r := range replays {
		require.Contains(t, failing(t, name), r.says, name)
	}
}

// fourthIsWrong makes sound caches, but for the fourth.
func fourthIsWrong() constructor {
	n := 0
	wrong := wrongOn(func(impls.Shape) bool { return true })
	return func(t *testing.T, s impls.Shape) (impls.Cache, error) {
		// One cache more is made to learn what they can do.
		if n++; n == 4 {
			return wrong(t, s)
		}
		return newListCache(t, s)
	}
}

// A sound cache that promises something else than the test says is told the option.
func TestHints(t *testing.T) {
	tests := map[string]struct {
		cache   constructor
		options []props.Option
		hint    string
	}{
		"contract":  {newListCache, nil, "hint: with props.Chunks() the cache agrees with the oracle in 300 cases."},
		"other":     {builtin("ring-narrow"), []props.Option{props.Chunks()}, "hint: without props.Chunks() the cache agrees"},
		"ring":      {builtin("ring"), []props.Option{props.Chunks()}, `hint: with props.Without("crossing", "long", "empty") the cache agrees`},
		"two rings": {builtin("double-ring"), nil, "hint: with props.Chunks() and with props.LargestChunk(func(window int) int { return window + 1 }) the cache agrees"},
		"unchecked": {unchecked, []props.Option{props.Chunks()}, `hint: with props.Without("odd") the cache agrees`},
	}
	if name := os.Getenv(verdictVar); name != "" {
		props.TestCache(t, tests[name].cache, tests[name].options...)
		return
	}
	for name, x := range tests {
		require.Contains(t, failing(t, name, "-test.run=^TestHints$/^Oracle$"), x.hint, name)
	}
}

// unchecked takes chunks of any shape: what does not fit, it cuts and repeats.
func unchecked(t *testing.T, s impls.Shape) (impls.Cache, error) {
	c, err := newListCache(t, s)
	return uncheckedCache{c.(*listCache)}, err
}

type uncheckedCache struct{ *listCache }

func (c uncheckedCache) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	fit := func(x impls.Tensor) impls.Tensor {
		out := impls.NewTensor(c.shape, x.Rows)
		for lane := range out.Lanes() {
			for r := range x.Rows {
				copy(out.Row(lane, r), x.Row(lane%x.Lanes(), r))
			}
		}
		return out
	}
	return c.listCache.Update(fit(keys), fit(values))
}

// A panic of the cache is told with the cache's own calls, and not with those of the
// suite.
func TestPanicsHaveAStack(t *testing.T) {
	if os.Getenv(verdictVar) != "" {
		props.TestCache(t, update(func(c *listCache, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
			if keys.Rows > c.shape.Window {
				panics(keys.Rows)
			}
			return c.Update(keys, values)
		}), props.Chunks())
		return
	}
	out := failing(t, "panics", "-test.run=^TestPanicsHaveAStack$/^Oracle$")
	require.Contains(t, out, "panic: a chunk of 2 rows")
	require.Contains(t, out, "props_test.panics(")
	require.Contains(t, out, "replay_test.go:")
	require.NotContains(t, out, "props/judge")
	require.NotContains(t, out, "goroutine")
}

func panics(rows int) { panic(fmt.Sprintf("a chunk of %d rows", rows)) }

// What was found is told though the constructor skips the rest of the subtest.
func TestFoundThoughTheRestIsSkipped(t *testing.T) {
	if os.Getenv(verdictVar) != "" {
		wrong := wrongOn(func(impls.Shape) bool { return true })
		props.TestCache(t, func(t *testing.T, s impls.Shape) (impls.Cache, error) {
			if s.DType == impls.U8 {
				t.Skip("no bytes here")
			}
			return wrong(t, s)
		}, props.Chunks())
		return
	}
	out := failing(t, "skips", "-test.run=^TestFoundThoughTheRestIsSkipped$/^KeepsNothing$")
	require.Contains(t, out, "op 1 (append), keys returned: lane 0 row 0 holds nothing (zeros), expected token 0")
	require.Contains(t, out, "no tensor is shared: this is no fault of aliasing")
}

// What Oracle finds without shared tensors is told once, and what shared tensors alone show
// is told beside it.
func TestAliasingIsNotBlamed(t *testing.T) {
	if name := os.Getenv(verdictVar); name != "" {
		wrong := update(func(c *listCache, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
			if name == "everywhere" || c.shape.Window == 1 {
				return mixes(c, keys, values)
			}
			return keepsChunk(c, keys, values)
		})
		props.TestCache(t, wrong, props.Chunks())
		return
	}
	out := failing(t, "everywhere", "-test.v")
	require.Contains(t, out, "--- FAIL: TestAliasingIsNotBlamed/Oracle")
	for _, subtest := range []string{keepsNothingTest, ownOutputTest} {
		require.Contains(t, out, "--- SKIP: TestAliasingIsNotBlamed/"+subtest)
	}
	require.Contains(t, out, "not judged: Oracle fails already, and these steps do with tensors that nobody else has:")
	out = failing(t, "in windows of one row")
	require.Contains(t, out, "--- FAIL: TestAliasingIsNotBlamed/Oracle")
	require.Contains(t, out, "--- FAIL: TestAliasingIsNotBlamed/KeepsNothing")
	require.Contains(t, out, "a cache must not keep their memory")
}

// Where there never was a cache, nothing passes: a constructor that always skips skips the
// test, and one that returns nothing is told so.
func TestWithoutACache(t *testing.T) {
	if os.Getenv(verdictVar) != "" {
		props.TestCache(t, func(*testing.T, impls.Shape) (impls.Cache, error) { return nil, nil })
		return
	}
	require.Contains(t, failing(t, "nil"), "newCache returned a nil cache of batch=")
	var inner *testing.T
	t.Run("skips", func(t *testing.T) {
		inner = t
		props.TestCache(t, func(t *testing.T, _ impls.Shape) (impls.Cache, error) {
			t.Skip("no device")
			return nil, nil
		})
	})
	require.True(t, inner.Skipped())
}
