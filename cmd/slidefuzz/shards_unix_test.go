//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// shell runs a script with slidefuzz in its PATH and returns what it prints.
func shell(t *testing.T, dir, script string, env ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-e", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), append([]string{"PATH=" + filepath.Dir(slidefuzzBinary(t)) + ":" + os.Getenv("PATH")}, env...)...)
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// The workflow of shards: its four jobs, and what they upload where the last one has it
// downloaded. Installing is for GitHub alone.
func TestWorkflowShards(t *testing.T) {
	w := readWorkflow(t, "workflow-shards.yml")
	dir := t.TempDir()
	lines := func(job string) (all []string) {
		for _, s := range w.Jobs[job].Steps {
			if s.Run != "" && !strings.HasPrefix(s.Run, "go install ") {
				all = append(all, s.Run)
			}
		}
		require.Len(t, all, 1, job)
		return all
	}
	for i := range 4 {
		shell(t, dir, lines("hunt")[0], "HUNT=roll/*/sim", "CASES=40", "GITHUB_RUN_ID=1234567890", "SLIDEFUZZ_SHARD_INDEX="+strconv.Itoa(i), "SLIDEFUZZ_SHARDS=4")
		require.NoError(t, os.MkdirAll(filepath.Join(dir, "shards"), 0o755))
		require.NoError(t, os.Rename(filepath.Join(dir, "out"), filepath.Join(dir, "shards", "shard-"+strconv.Itoa(i))))
	}
	out := shell(t, dir, lines("merge")[0])
	assert.Contains(t, out, "seed 1234567890")
	assert.Contains(t, out, "nothing unexpected")
	assert.FileExists(t, filepath.Join(dir, "junit-shards.xml"))
	assert.FileExists(t, filepath.Join(dir, "merged", "index.html"))
}

// The script of an array, with what Slurm sets.
func TestSlurmScript(t *testing.T) {
	script, err := filepath.Abs(filepath.Join("..", "..", "docs", "shards", "slurm.sh"))
	require.NoError(t, err)
	dir := t.TempDir()
	for i := range 2 {
		shell(t, dir, script+" 'roll/*/sim'", "SEED=7", "CASES=40", "OUT=out", "SLURM_ARRAY_TASK_ID="+strconv.Itoa(5+i), "SLURM_ARRAY_TASK_MIN=5", "SLURM_ARRAY_TASK_COUNT=2")
	}
	assert.Contains(t, shell(t, dir, "slidefuzz merge out"), "nothing unexpected")
}
