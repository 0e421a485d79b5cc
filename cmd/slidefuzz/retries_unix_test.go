//go:build unix

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Starts of a worker that failed and were tried again are told wherever a hunt tells what it
// came to, and by a merge of its shards.
func TestRetriesOfStartsAreTold(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "worker.sh")
	// The first start has one try. Of two processes the second starts in vain once.
	require.NoError(t, os.WriteFile(script, []byte(`cd `+dir+`
mkdir first 2>/dev/null || ! mkdir second 2>/dev/null || { echo busy >&2; exit 4; }
exec `+slidefuzzBinary(t)+` worker roll/eager/sim
`), 0o600))
	shard, junit := filepath.Join(dir, "shard"), filepath.Join(dir, "junit.xml")
	args := []string{"hunt", "--exec", "sh " + script, "--seed", "1", "--cases", "40", "--jobs", "2", "--shard", "1/1", "-o", shard, "--junit", junit}
	status, out, stderr := call(t, "", args...)
	require.Equal(t, exitOK, status, stderr)
	const want = `1 start of the worker failed and was tried again, which took \d\S*`
	require.Regexp(t, "nothing unexpected; "+want+"\n$", out)
	for _, file := range []string{junit, filepath.Join(shard, "index.html")} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Regexp(t, want, string(text))
	}
	status, out, stderr = call(t, "", "merge", "--json", shard)
	require.Equal(t, exitOK, status, stderr)
	require.Regexp(t, `"start_retries":1,"start_retries_elapsed":1\.`, out)
}
