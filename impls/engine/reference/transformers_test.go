package reference

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/engine"
)

// pythonWith is the Python of the environment that impls/worker/python/install.sh makes
// of a requirements file. Where it is missing the test is skipped, or fails if
// SLIDEFUZZ_REQUIRE names it.
func pythonWith(t *testing.T, what string) string {
	t.Helper()
	required := slices.Contains(strings.Split(os.Getenv("SLIDEFUZZ_REQUIRE"), ","), what)
	if testing.Short() && !required {
		t.Skipf("%s takes 15 seconds to start", what)
	}
	requirements, err := os.ReadFile(filepath.Join("..", "..", "worker", "python", what+".txt"))
	require.NoError(t, err)
	root := os.Getenv("SLIDEFUZZ_CACHE")
	if root == "" {
		home, err := os.UserHomeDir()
		require.NoError(t, err)
		root = filepath.Join(home, ".cache", "slidefuzz")
	}
	sum := sha256.Sum256(requirements)
	venv := filepath.Join(root, what+"-"+hex.EncodeToString(sum[:])[:12])
	if _, err := os.Stat(filepath.Join(venv, "complete")); err != nil {
		if required {
			t.Fatalf("%s is missing: run impls/worker/python/install.sh %s.txt", venv, what)
		}
		t.Skipf("SKIPPED, NOT TESTED: %s is missing: run impls/worker/python/install.sh %s.txt", venv, what)
	}
	return filepath.Join(venv, "bin", "python")
}

// The decoder agrees with transformers on small models with random weights: without a
// cache, in one chunk, token by token, and with left padding; with attention of each
// form.
func TestAgreesWithTransformers(t *testing.T) {
	names := []string{"mistral-float32", "gemma2-float32", "gemma3-float32", "mistral-float16", "gemma3-bfloat16"}
	python, dir := pythonWith(t, "transformers"), t.TempDir()
	out, err := exec.CommandContext(t.Context(), python, append([]string{filepath.Join("testdata", "random_model.py"), dir}, names...)...).CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, name := range names {
		worst := 0.0
		for _, a := range Attentions() {
			worst = max(worst, fromTransformers(t, filepath.Join(dir, name), Options{Attention: a}))
		}
		t.Logf("%s: largest difference of a logit: %.2g", name, worst)
		require.Less(t, worst, 1e-4, name)
		require.Greater(t, fromTransformers(t, filepath.Join(dir, name), Options{Fault: "window-plus-one"}), 1e-3, name)
	}
}

// fromTransformers is the largest difference between the engine's logits and those that
// testdata/random_model.py wrote, in chunks of several sizes.
func fromTransformers(t *testing.T, dir string, o Options) (worst float64) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "expected.json"))
	require.NoError(t, err)
	var runs []struct {
		Tokens []int
		Pad    int
		Logits [][]float32
	}
	require.NoError(t, json.Unmarshal(data, &runs))
	require.NotEmpty(t, runs)
	e, err := New(o)
	require.NoError(t, err)
	require.NoError(t, e.Load(t.Context(), dir, engine.HF, 5))
	// Keys and values in float32 too: the logits are of float32 arithmetic.
	e.decoder.dtype = impls.F32
	require.NoError(t, e.forget())
	for _, run := range runs {
		for _, size := range []int{len(run.Tokens), max(1, run.Pad), max(run.Pad, 3)} {
			got := inChunks(t, e, "a", run.Tokens, run.Pad, size)[run.Pad:]
			require.NoError(t, e.Drop(t.Context(), "a"))
			require.Len(t, got, len(run.Logits))
			for i := range got {
				worst = max(worst, difference(got[i], run.Logits[i]))
			}
		}
	}
	return worst
}

// inChunks is the logits of all tokens, given in chunks of a size.
func inChunks(t *testing.T, e *Engine, name string, tokens []int, pad, size int) (rows [][]float32) {
	t.Helper()
	for i, c := range slices.Collect(slices.Chunk(tokens, size)) {
		x := engine.Chunk{Request: name, Tokens: c, New: i == 0}
		if i == 0 {
			x.Pad = pad
		}
		got, err := e.Forward(t.Context(), []engine.Chunk{x}, true)
		require.NoError(t, err)
		rows = append(rows, got...)
	}
	return rows
}

func difference(a, b []float32) (worst float64) {
	for i := range a {
		d := math.Abs(float64(a[i]) - float64(b[i]))
		if !(d <= worst) { // no number counts too
			worst = d
		}
	}
	return worst
}
