//go:build unix

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// slidefuzzBinary is a command that is this program.
func slidefuzzBinary(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	name := filepath.Join(t.TempDir(), "slidefuzz") // see TestMain
	require.NoError(t, os.Symlink(self, name))
	return name
}

// times matches what no two hunts have alike in --json and --junit, processors what a
// merge does not have.
var (
	times      = regexp.MustCompile(`"(elapsed|after|shrinking|running|waited)":[0-9.e-]+|\btime="[0-9.]+"`)
	processors = regexp.MustCompile(`,"(engine_)?processor":[0-9.e-]+`)
)

// timeless is the output of a hunt without its times.
func timeless(out string) string {
	return times.ReplaceAllString(processors.ReplaceAllString(out, ""), "TIME")
}

// Several workers or engines at once find what one finds, in caches, in programs and in
// logits.
func TestJobsFindTheSame(t *testing.T) {
	slidefuzz := slidefuzzBinary(t)
	worker := func(target string) []string { return []string{"--exec", slidefuzz + " worker " + target} }
	for name, x := range map[string]struct {
		status int
		args   []string
	}{
		"cache":           {1, append(worker("go/pages-writes-shared"), "--seed", "7", "--cases", "300")},
		"programs":        {1, append(worker("program/drop-clone/sim"), "--seed", "7", "--cases", "300")},
		"engine":          {0, append([]string{"--engine", "reference", "--fault", "one-rollback"}, smallEngine...)},
		"sound engine":    {0, append([]string{"--engine", "reference", "--steps", "200"}, smallEngine...)},
		"engine's worker": {0, append(worker("engine/reference:one-rollback"), smallEngine...)},
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && name == "engine" {
				t.Skip("that of the worker goes the same way")
			}
			hunt := func(jobs string) string {
				status, out, stderr := call(t, "", append([]string{"hunt", "--jobs", jobs, "--json"}, x.args...)...)
				require.Equal(t, x.status, status, stderr)
				require.Empty(t, stderr)
				return timeless(out)
			}
			one := hunt("1")
			assert.Equal(t, name != "sound engine", strings.Contains(one, `"event":"finding"`))
			assert.Equal(t, one, hunt("4"))
		})
	}
}

// Workers that run at once share the cores, unless the environment says how many threads
// each has. An engine that nobody asked for several of has all.
func TestJobsShareTheCores(t *testing.T) {
	slidefuzz := slidefuzzBinary(t)
	half := strconv.Itoa(max(1, runtime.GOMAXPROCS(0)/2))
	for name, x := range map[string]struct {
		target, set string
		args        []string
		want        string // of the process started last
		once        bool   // it is started once
	}{
		"two":             {target: "roll/fused/sim", args: []string{"--jobs", "2"}, want: half},
		"two, and set":    {target: "roll/fused/sim", set: "7", args: []string{"--jobs", "2"}, want: "7"},
		"engine, and set": {target: "engine/reference", set: "7", args: []string{"--kind", "visible"}, want: "7", once: true},
		"one":             {target: "roll/fused/sim", args: []string{"--jobs", "1"}},
		"engine":          {target: "engine/reference", args: []string{"--kind", "visible"}},
		"engine, and one": {target: "engine/reference", args: []string{"--kind", "visible", "--jobs", "1"}, once: true},
		"engine, and two": {target: "engine/reference", args: []string{"--kind", "visible", "--jobs", "2"}, want: half},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("SLIDEFUZZ_CACHE", t.TempDir())
			t.Setenv("OMP_NUM_THREADS", x.set)
			if x.set == "" {
				os.Unsetenv("OMP_NUM_THREADS")
			}
			said := filepath.Join(t.TempDir(), "said")
			script := filepath.Join(t.TempDir(), "worker.sh")
			require.NoError(t, os.WriteFile(script, []byte("echo $OMP_NUM_THREADS >>"+said+"\nexec "+slidefuzz+" worker "+x.target+"\n"), 0o600))
			status, _, stderr := call(t, "", append([]string{"hunt", "--exec", "sh " + script, "--seed", "1", "--cases", "3"}, x.args...)...)
			require.Equal(t, exitOK, status, stderr)
			threads, err := os.ReadFile(said)
			require.NoError(t, err)
			all := strings.Split(strings.TrimSuffix(string(threads), "\n"), "\n")
			assert.Equal(t, x.want, all[len(all)-1])
			if x.once {
				assert.Len(t, all, 1)
			}
		})
	}
}
