//go:build unix

package main

import (
	"os"
	"path/filepath"
	"regexp"
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

// times matches what no two hunts have alike in --json and --junit.
var times = regexp.MustCompile(`"(elapsed|after|shrinking)":[0-9.e-]+|\btime="[0-9.]+"`)

// timeless is the output of a hunt without its times.
func timeless(out string) string { return times.ReplaceAllString(out, "TIME") }

// Several workers at once find what one finds, in caches and in programs.
func TestJobsFindTheSame(t *testing.T) {
	slidefuzz := slidefuzzBinary(t)
	for _, target := range []string{"go/pages-writes-shared", "program/drop-clone/sim"} {
		hunt := func(jobs string) string {
			status, out, stderr := call(t, "", "hunt", "--exec", slidefuzz+" worker "+target, "--seed", "7", "--cases", "300", "--jobs", jobs, "--json")
			require.Equal(t, 1, status, stderr)
			require.Empty(t, stderr)
			return timeless(out)
		}
		one := hunt("1")
		assert.Contains(t, one, `"event":"finding"`)
		assert.Equal(t, one, hunt("4"), target)
	}
}
