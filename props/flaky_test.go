package props_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/props"
)

// staleSometimes is a list cache whose decode returns its oldest row in the place of
// its newest, in one of so many decodes.
func staleSometimes(oneIn int, r *rand.Rand) constructor {
	var mu sync.Mutex // two caches run at once
	hit := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return r.IntN(oneIn) == 0
	}
	return alter(func(c *listCache, keys, values impls.Tensor) (impls.Tensor, impls.Tensor, error) {
		k, v, err := c.Update(keys, values)
		if err == nil && keys.Rows == 1 && k.Rows > 1 && hit() {
			for lane := range k.Lanes() {
				copy(k.Row(lane, k.Rows-1), k.Row(lane, 0))
			}
		}
		return k, v, err
	})
}

// rerun runs the test that calls it once more, in a process of its own and with a
// seed, and returns what it prints. It must fail.
func rerun(t *testing.T, seed int, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], append([]string{"-test.run=^" + t.Name() + "$", "-slidefuzz.cases=300", fmt.Sprintf("-slidefuzz.seed=%d", seed)}, args...)...)
	cmd.Env = append(os.Environ(), verdictVar+"="+strconv.Itoa(seed))
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "it passes:\n%s", out)
	require.Equal(t, 1, exit.ExitCode(), "%s", out)
	return string(out)
}

var ofRuns = regexp.MustCompile(`(?s)op \d+ \(append\), keys returned: lane \d+ row \d+ holds ([^;]*), expected [^;]*; wrong in (\d+) of (\d+) runs[^\n]*\n\s+the smallest sequence, of one found [^\n]*\n\s+(batch=[^\n]*)\n((?:\s+[a-z]+( [0-9]+)?(?:  # tokens? [0-9 to]+)?(?:  <- fails)?\n)+)\s+as a test`)

// A failure that comes and goes is kept, whatever the seed: what is wrong, in how
// many runs of how many, and a small case that shows it.
func TestFailureThatComesAndGoes(t *testing.T) {
	const oneIn = 50
	if text := os.Getenv(verdictVar); text != "" {
		seed, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
		props.TestCache(t, staleSometimes(oneIn, rand.New(rand.NewPCG(seed, 1))), props.Chunks())
		return
	}
	seeds := 20
	if testing.Short() {
		seeds = 4
	}
	for seed := 1; seed <= seeds; seed++ {
		start := time.Now()
		out := rerun(t, seed)
		took := time.Since(start)
		found := ofRuns.FindStringSubmatch(out)
		require.NotNil(t, found, "seed %d: %s", seed, out)
		wrong, err := strconv.Atoi(found[2])
		require.NoError(t, err)
		of, err := strconv.Atoi(found[3])
		require.NoError(t, err)
		t.Logf("seed %d: %d of %d runs, %q after %s", seed, wrong, of, strings.Fields(found[5]), took)
		require.Positive(t, wrong)
		require.Less(t, wrong, of)
		require.LessOrEqual(t, strings.Count(found[5], "\n"), 3, "%s", out)
		require.Less(t, took, 40*time.Second)
	}
}

// wrongDecode is a list cache without Crop and Snapshot whose decodes of a full window
// return the oldest row in the place of the newest.
func wrongDecode() constructor {
	return alter(func(c *listCache, keys, values impls.Tensor) (impls.Tensor, impls.Tensor, error) {
		k, v, err := c.Update(keys, values)
		if err == nil && keys.Rows == 1 && k.Rows > c.shape.Window {
			for lane := range k.Lanes() {
				copy(k.Row(lane, k.Rows-1), k.Row(lane, 0))
			}
		}
		return k, v, err
	})
}

// Rows that are wrong whatever came before them are blamed on nothing that was
// refused, least of all on what the cache cannot do.
func TestNothingRefusedIsBlamed(t *testing.T) {
	if os.Getenv(verdictVar) != "" {
		props.TestCache(t, wrongDecode(), props.Chunks())
		return
	}
	seeds := 40
	if testing.Short() {
		seeds = 5
	}
	for seed := 1; seed <= seeds; seed++ {
		out := rerun(t, seed, "-test.run=^TestNothingRefusedIsBlamed$/^Oracle$")
		require.Contains(t, out, "returned: lane 0 row 1 holds token 0, expected token 1; wrong in 20 of 20 runs", "seed %d", seed)
		require.Contains(t, out, `props.ReplayCache(t, newCache, "window=1 dim=1 dtype=U8; append 1; append 1", props.Chunks())`)
		for _, word := range []string{"changed the cache", "crop", "snapshot", "restore"} {
			require.NotContains(t, out, word, "seed %d", seed)
		}
	}
}
