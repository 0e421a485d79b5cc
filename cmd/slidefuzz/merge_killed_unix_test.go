//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// killShard runs a shard as a process of its own and kills it once its record holds what
// is asked for: nothing of it runs at its end.
func killShard(t *testing.T, dir, until string, args ...string) {
	t.Helper()
	cmd := exec.Command(slidefuzzBinary(t), append(args, "-o", dir)...)
	require.NoError(t, cmd.Start())
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		data, err := os.ReadFile(filepath.Join(dir, recordName))
		if err == nil && bytes.Contains(data, []byte(until)) || time.Now().After(deadline) {
			break
		}
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGKILL))
	_ = cmd.Wait() // it was killed
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	require.True(t, status.Signaled() && status.Signal() == syscall.SIGKILL, "it came to its end before: %s", cmd.ProcessState)
}

// A shard that is killed leaves what it had found; run again beside what it left it makes
// the whole hunt.
func TestMergeOfAKilledShard(t *testing.T) {
	args := []string{"hunt", "go/pages-writes-shared", "go/pages", "--seed", "7", "--cases", "1500"}
	whole := told(t, 0, args...)
	dirs := shards(t, 2, args...)
	for name, until := range map[string]string{
		"at once":                   "\n",
		"once it had found the bug": `"Finding"`,
		"in the second target":      `"result"`,
	} {
		t.Run(name, func(t *testing.T) {
			if testing.Short() && until != `"Finding"` {
				t.Skip("one of the moments is enough here")
			}
			dir := t.TempDir()
			shard := append([]string{"--jobs", "1", "--shard", "2/2"}, args[1:]...)
			killShard(t, dir, until, append([]string{"hunt"}, shard...)...)
			status, out, stderr := call(t, "", "merge", dir)
			assert.Equal(t, 1, status)
			assert.Contains(t, stderr, "shard 2/2 died in go/pages")
			assert.Contains(t, stderr, "missing: 1 of 2 shards, 1/2: ")
			if until != "\n" {
				assert.Contains(t, out, "caught at case")
			}

			status, _, stderr = call(t, "", "merge", dirs[0], dir)
			assert.Equal(t, 1, status)
			assert.Contains(t, stderr, "shard 2/2 died in go/pages")
			assert.NotContains(t, stderr, "missing")

			status, _, _ = call(t, "", append([]string{"hunt", "-o", dir}, shard...)...)
			require.Equal(t, 0, status)
			assert.Equal(t, whole, told(t, 0, "merge", dirs[0], dir))
		})
	}
}
