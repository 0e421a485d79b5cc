package worker

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// listCache is a client of the cache of lists in Python.
func listCache(t *testing.T, args ...string) *worker.Client {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3")
	}
	dir, err := filepath.Abs("../../../impls/worker")
	require.NoError(t, err)
	t.Setenv("PYTHONPATH", filepath.Join(dir, "python"))
	t.Setenv("PYTHONDONTWRITEBYTECODE", "1")
	// go test's cache knows of the folders that the test reads itself, and what is in them.
	for _, part := range []string{"testdata", "python/slidefuzz_worker"} {
		_, err := os.ReadDir(filepath.Join(dir, part))
		require.NoError(t, err)
	}
	return &worker.Client{Args: append([]string{python, filepath.Join(dir, "testdata", "list_cache.py")}, args...), Timeout: 10 * time.Second}
}

// checkPython checks the cache of lists in Python, and returns what was said of F32.
func checkPython(t *testing.T, args ...string) (said []string, err error) {
	t.Helper()
	c := listCache(t, args...)
	defer c.Kill()
	err = Check(t.Context(), c, func(what string) {
		if of, ok := strings.CutPrefix(what, "F32 "); ok {
			said = append(said, of)
		}
	})
	return said, err
}

// requireSaid wants lines that begin so, in this order.
func requireSaid(t *testing.T, said []string, want ...string) {
	t.Helper()
	at := 0
	for _, line := range said {
		if at < len(want) && strings.HasPrefix(line, want[at]) {
			at++
		}
	}
	if at < len(want) {
		t.Fatalf("nothing begins with %q, in this order, in\n%s", want[at], strings.Join(said, "\n"))
	}
}

// What hello offers is asked for.
func TestCheckSequences(t *testing.T) {
	said, err := checkPython(t)
	require.NoError(t, err)
	requireSaid(
		t, said, "a new cache of batch 2 and dim 5: ok", "a chunk longer than the window, visible [2 6 11]: ok", "two tokens at a full window", "no tokens",
		"select an entry that is not there, [2 2]: refused: ", "select a repeat, [1 1]: ok", "select a longer batch, [1 0 1]: ok", "a decode after it, visible [3 1 5]: ok",
		"select a shrink, [0]: ok", "restore after select: ok", "a decode after it, visible [2 1 3]: ok",
		"a prefill by entry, lens [2 1], visible [2 2 2]: ok", "a chunk by entry, lens [1 0]", "crop to lengths [1 2]: ok",
	)
	require.NotContains(t, strings.Join(said, "\n"), "outside")
}

// What hello leaves out is not, but for one thing beyond each limit.
func TestCheckLimits(t *testing.T) {
	said, err := checkPython(t, "--limits", `{"max_chunk": "W+1", "without": ["empty", "crossing"], "dims": "8*", "batches": [1, 2, 4]}`)
	require.NoError(t, err)
	requireSaid(
		t, said, "a new cache of batch 2 and dim 8: ok", "a chunk longer than the window, visible [2 5 10]: ok",
		"select a shorter batch, [1]: ok", "select a batch outside batches, [0 0 0]: refused: ",
		"6 tokens, more than max_chunk: refused: ", "a decode after it", "a batch of 3, outside batches: refused: ", "a dim of 9, outside dims: refused: ",
	)
	for _, not := range []string{"no tokens", "two tokens at a full window", "longer batch"} {
		require.NotContains(t, strings.Join(said, "\n"), not)
	}

	// One entry, a token at a time.
	said, err = checkPython(t, "--limits", `{"max_chunk": 1, "batches": [1]}`)
	require.NoError(t, err)
	requireSaid(t, said, "a new cache of batch 1", "a prefill of 1", "a decode", "a decode", "a decode that fills", "no tokens", "a prefill by entry, lens [1]", "2 tokens, more than max_chunk: refused: ", "a batch of 2, outside batches: refused: ")
	for _, not := range []string{"two tokens", "chunk longer", "shrink", "longer batch", "shorter batch"} {
		require.NotContains(t, strings.Join(said, "\n"), not)
	}
}

// A worker that takes what it must refuse does not pass.
func TestCheckFaults(t *testing.T) {
	limits := `{"max_chunk": "W", "dims": "4*", "batches": [2]}`
	for _, x := range []struct{ fault, limits, want string }{
		{"select", `{}`, "select an entry that is not there, [2 2]: it was not refused"},
		{"batches", limits, "select a batch outside batches, [0]: it was not refused"},
		{"max_chunk", limits, "5 tokens, more than max_chunk, visible [2 5 5]: it was not refused"},
		{"shape", limits, "a batch of 1, outside batches, its first token, visible [1 1 1]: it was not refused"},
		{"shape", `{"dims": "4*"}`, "a dim of 5, outside dims, its first token, visible [2 1 1]: it was not refused"},
		{"visible-rows", `{}`, "a prefill of 3: the reply to update: visible: shape [2 3 2]: want [2 or 1, 3, 3], as the batch, the chunk's queries and the rows of the reply"},
	} {
		_, err := checkPython(t, "--fault", x.fault, "--limits", x.limits)
		require.EqualError(t, err, x.want)
	}
}
