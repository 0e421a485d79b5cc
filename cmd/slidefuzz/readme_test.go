package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// docs/readme.sh finds the README's commands, and no line of output; those of
// slidefuzz itself name a command and flags that there are.
func TestReadmeCommands(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	out, err := exec.CommandContext(t.Context(), bash, filepath.Join("..", "..", "docs", "readme.sh"), "--list").Output()
	require.NoError(t, err)
	all := strings.Split(strings.TrimSpace(string(out)), "\n")
	require.Greater(t, len(all), 10)
	assert.Equal(t, "go install github.com/slidefuzz/slidefuzz/cmd/slidefuzz@latest", all[0])
	for _, line := range all {
		words, err := splitCommand(line)
		require.NoError(t, err)
		if words[0] == "go" {
			continue
		}
		require.Equal(t, "slidefuzz", words[0], line)
		c, rest, err := find(words[1:])
		require.NoError(t, err, line)
		if c.name == workerCheckCommand.name {
			continue // the words after it are another command's
		}
		status, _, stderr := call(t, "", append(append(strings.Fields(c.name), rest...), "-h")...)
		assert.Zero(t, status, "%s: %s", line, stderr)
	}
}
