//go:build unix

package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Paths of a worker's command are seen from the report's folder: those of words, and those
// that follow = in one.
func TestSeenFrom(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"lib", "more libs", "reports"} {
		require.NoError(t, os.Mkdir(dir, 0o755))
	}
	for _, file := range []string{"worker.py", "python3", "a=b.py", "1"} {
		require.NoError(t, os.WriteFile(file, nil, 0o644))
	}
	absolute, err := filepath.Abs("lib")
	require.NoError(t, err)
	list := string(filepath.ListSeparator)
	for command, want := range map[string]string{
		"python3 worker.py":                                    "python3 ../../worker.py",
		"./python3 worker.py":                                  "../../python3 ../../worker.py",
		"env PYTHONPATH=lib X=2 python worker.py":              "env PYTHONPATH=../../lib X=2 python ../../worker.py",
		"env PYTHONPATH=. python none.py":                      "env PYTHONPATH=../.. python none.py",
		"env PYTHONPATH=lib/none" + list + "./lib python":      "env PYTHONPATH=lib/none" + list + "../../lib python",
		`env "PYTHONPATH=more libs" python "worker.py"`:        `env 'PYTHONPATH=../../more libs' python ../../worker.py`,
		"python worker.py --lib=lib a=b.py":                    "python ../../worker.py --lib=../../lib ../../a=b.py",
		"env PYTHONPATH=" + absolute + " PATH= A==lib  python": "env PYTHONPATH=" + absolute + " PATH= A==lib  python",
	} {
		assert.Equal(t, want, seenFrom(filepath.Join("reports", "one"), command), command)
	}
}
