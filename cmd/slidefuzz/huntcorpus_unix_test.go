//go:build unix

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// corpusTargets are hunted by the tests of killed hunts: known-bad ones of each kind, of
// which most are caught within a second.
var corpusTargets = []string{"roll/drop-war/sim", "cat-as-written/fused/sim", "program/drop-clone/sim", "go/ring-*", "go/rotating-*", "go/beams-*", "go/ring"}

// killedHunt hunts with --corpus in a process of its own, kills it some time after it has
// printed so many lines, and returns the findings that it printed, and whether it was
// killed: it may end before.
func killedHunt(t *testing.T, dir string, seed, lineNumber int, after time.Duration) (printed []findingEvent, killed bool) {
	t.Helper()
	args := append([]string{"hunt", "--corpus", dir, "--seed", fmt.Sprint(seed), "--json"}, corpusTargets...)
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asEnv+"=slidefuzz")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewReader(out)
	for n := 0; ; n++ {
		if n == lineNumber {
			kill := time.AfterFunc(after, func() { _ = cmd.Process.Kill() }) // SIGKILL
			defer kill.Stop()
		}
		line, err := lines.ReadBytes('\n')
		if err == io.EOF {
			break // what follows the last line break was not printed whole
		}
		require.NoError(t, err)
		var f findingEvent
		require.NoError(t, json.Unmarshal(line, &f))
		if f.Event == "finding" {
			printed = append(printed, f)
		}
	}
	_ = cmd.Wait() // what ended it is asked below
	status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, ok)
	if !status.Signaled() {
		require.Equal(t, exitOK, status.ExitStatus(), "it ended by itself")
	}
	return printed, status.Signaled() && status.Signal() == syscall.SIGKILL
}

// reads reads every file of a corpus and returns those that failed, by their names'
// failure and by their text.
func reads(t *testing.T, dir string) (failures map[string]bool, files int) {
	t.Helper()
	failures = map[string]bool{}
	all, err := caseFiles(dir)
	require.NoError(t, err)
	for _, path := range all {
		c, err := corpus.ReadFile(path, 0)
		if os.IsNotExist(err) {
			continue // another hunt has dropped it
		}
		require.NoError(t, err)
		require.NotNil(t, c.Expect, path)
		failed := strings.HasPrefix(filepath.Base(path), "failure-")
		assert.NotEqual(t, failed, c.Expect.OK, path)
		if failed {
			failures[failureOf(t, string(c.Text()))] = true
		}
	}
	return failures, len(all)
}

// failureOf is what identifies the failure that a case expects.
func failureOf(t *testing.T, text string) string {
	t.Helper()
	c, err := corpus.Parse("case", []byte(text), 0)
	require.NoError(t, err)
	// In a program the buffer may be another: see Failure.
	kind, tensor := "statement", "buffer"
	if len(c.Ops) > 0 {
		kind, tensor = c.Ops[max(0, c.Expect.Op-1)].Kind.String(), c.Expect.Tensor
	}
	return fmt.Sprintf("%s %s %s %s %s", c.Target, kind, tensor, c.Expect.Fault, c.Expect.Hazard)
}

// Killed at any moment, twenty times in one folder, a hunt with --corpus has kept every
// finding that it had printed, and the folder reads; so do two hunts at once. Hunts that
// end before they are killed are not counted.
func TestCorpusOutlivesKills(t *testing.T) {
	times := 20
	if testing.Short() {
		times = 4
	}
	for _, at := range []int{1, 2} {
		dir := t.TempDir()
		printed := map[string]bool{}
		r := rand.New(rand.NewPCG(uint64(at), 16))
		killed, begun := 0, 0
		for ; killed < times; begun += at {
			require.Less(t, begun, 3*times, "only %d hunts were killed", killed)
			var mu sync.Mutex
			var hunts sync.WaitGroup
			for k := range at {
				// At any moment, from before the first line on: by lines as far as a busy
				// machine cannot decide how far it gets, and within them by time.
				number, after := r.IntN(16), time.Duration(r.IntN(200))*time.Millisecond
				hunts.Go(func() {
					found, dead := killedHunt(t, dir, 100*begun+k, number, after)
					mu.Lock()
					defer mu.Unlock()
					if dead {
						killed++
					}
					for _, f := range found {
						printed[failureOf(t, f.Case)] = true
					}
				})
			}
			hunts.Wait()
			if _, err := caseFiles(dir); err != nil {
				continue // it was killed before it found anything
			}
			kept, _ := reads(t, dir)
			for f := range printed {
				assert.True(t, kept[f], "lost after %d kills: %s", killed, f)
			}
		}
		require.NotEmpty(t, printed, "no hunt printed a finding before it was killed")
		_, files := reads(t, dir)
		t.Logf("%d at once, %d of %d killed: %d failures printed, %d files", at, killed, begun, len(printed), files)
	}
}

// What a hunt with --corpus kept, the next one finds at its first case; the same folder
// and seed make the same hunt, and without --corpus nothing changes.
func TestCorpusGoesOn(t *testing.T) {
	hunt := func(more ...string) string {
		status, out, stderr := call(t, "", append([]string{"hunt", "go/ring-no-modulo", "go/ring", "program/drop-clone/sim", "--seed", "7", "--cases", "300", "--json"}, more...)...)
		require.Equal(t, 0, status, stderr)
		require.Empty(t, stderr)
		return timeless(out)
	}
	before := hunt()
	one, two := t.TempDir(), t.TempDir()
	first := hunt("--corpus", one)
	assert.Equal(t, first, hunt("--corpus", two))
	assert.Equal(t, listing(t, one), listing(t, two))
	second := hunt("--corpus", one)
	assert.Equal(t, second, hunt("--corpus", two))
	assert.Equal(t, listing(t, one), listing(t, two))
	assert.Equal(t, before, hunt())
	// Of each known-bad target what was kept is found at its first case.
	assert.Equal(t, strings.Count(second, `"event":"finding"`), strings.Count(second, `"at":1,`), second)
	assert.Contains(t, second, `"event":"finding"`)
	status, out, _ := call(t, "", "corpus", "check", one)
	assert.Equal(t, 0, status, out)
}

// listing is the names and the texts of a folder's files.
func listing(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, err := caseFiles(dir)
	require.NoError(t, err)
	all := map[string]string{}
	for _, path := range files {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		name, err := filepath.Rel(dir, path)
		require.NoError(t, err)
		all[name] = string(text)
	}
	return all
}

// A worker goes on too: what failed is found at once.
func TestCorpusOfWorker(t *testing.T) {
	slidefuzz, dir := slidefuzzBinary(t), t.TempDir()
	for i := range 2 {
		_, out, stderr := call(t, "", "hunt", "--exec", slidefuzz+" worker go/ring-no-modulo", "--seed", "7", "--cases", "60", "--jobs", fmt.Sprint(1+i), "--json", "--corpus", dir)
		require.Empty(t, stderr)
		var found []findingEvent
		for line := range strings.Lines(out) {
			var f findingEvent
			require.NoError(t, json.Unmarshal([]byte(line), &f))
			if f.Event == "finding" {
				found = append(found, f)
			}
		}
		require.NotEmpty(t, found)
		if i == 1 {
			assert.Equal(t, 1, found[0].At)
		}
	}
}

// What --corpus does not do it says before anything is run.
func TestCorpusRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ args, want string }{
		{"hunt roll/fused/sim --corpus " + dir + " --shard 1/2 --seed 7 -o " + dir, "shards must draw the same cases"},
		{"hunt --engine reference --corpus " + dir, "not for engines"},
		{"hunt issue-159855 --corpus " + dir, "not for scenarios"},
		{"hunt issue-159855 --engine transformers --corpus " + dir, "do not go together"},
		{"hunt --exhaustive --corpus " + dir, "do not go together"},
	} {
		status, out, stderr := call(t, "", strings.Fields(c.args)...)
		assert.Equal(t, exitUsage, status, c.args)
		assert.Empty(t, out, c.args)
		assert.Contains(t, stderr, c.want, c.args)
	}
	// A file that is no case is left out, and said.
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "roll", "fused", "sim"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "roll", "fused", "sim", "case-1.txt"), []byte("no case\n"), 0o644))
	status, _, stderr := call(t, "", "hunt", "roll/fused/sim", "--cases", "20", "--corpus", dir)
	assert.Equal(t, exitOK, status)
	assert.Contains(t, stderr, "left out")
	assert.Contains(t, stderr, "case-1.txt:1:")
}
