package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// pauseFile is an operation that does nothing; its kind is the next one.
const pauseFile = `package corpus

import (
	"math/rand/v2"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Pause does nothing.
const Pause OpKind = %d

type pauseOp struct{ plain }

func (pauseOp) Choices() []Choice {
	return []Choice{{Name: "pause", Weight: 2, Draw: func(*rand.Rand, impls.Shape, State) Op { return Op{Kind: Pause} }}}
}
`

// A new operation is one file and one line of the table: in a copy of the tree it
// is drawn, hunted, shrunk, replayed and printed.
func TestNewOperation(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a copy of the tree")
	}
	dir := t.TempDir()
	copyModule(t, dir)
	ops := filepath.Join(dir, "corpus", "ops.go")
	text, err := os.ReadFile(ops)
	require.NoError(t, err)
	table := "var operations = [...]Operation{\n"
	require.Equal(t, 1, strings.Count(string(text), table))
	text = []byte(strings.Replace(string(text), table, table+"\tPause: pauseOp{plain{Pause, \"pause\"}},\n", 1))
	require.NoError(t, os.WriteFile(ops, text, 0o600))
	file := fmt.Sprintf(pauseFile, len(corpus.Operations()))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "corpus", "oppause.go"), []byte(file), 0o600))

	built := filepath.Join(dir, "slidefuzz.exe")
	run := func(status int, name string, args ...string) string {
		t.Helper()
		var stderr strings.Builder
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir, cmd.Stderr = dir, &stderr
		out, err := cmd.Output()
		require.Equal(t, status, cmd.ProcessState.ExitCode(), "%s %v: %v\n%s%s", name, args, err, out, stderr.String())
		return string(out) + stderr.String()
	}
	run(0, "go", "build", "-o", built, "./cmd/slidefuzz")

	// It is drawn, and sound targets stay so; a known-bad one is caught, and the
	// smallest case has none.
	out := run(1, built, "hunt", "--seed", "1", "--cases", "200", "--json", "--exec", built+" worker snapshot-view/fused/sim")
	var met map[string]int
	var small string
	for line := range strings.Lines(out) {
		var event struct {
			Met  map[string]int
			Case string
		}
		if json.Unmarshal([]byte(line), &event) == nil && event.Met != nil {
			met = event.Met
		}
		small += event.Case
	}
	require.Greater(t, met["pause"], 50, out)
	require.Contains(t, small, "restore 0\n")
	require.NotContains(t, small, "pause")
	run(0, built, "hunt", "--seed", "1", "--cases", "200", "roll/fused/sim", "roll/drop-war/sim")
	run(2, built, "hunt", "--without", "paus", "--exec", built+" worker roll/fused/sim")
	out = run(0, built, "hunt", "--seed", "1", "--cases", "200", "--json", "--without", "pause", "--exec", built+" worker roll/fused/sim")
	require.NotContains(t, out, "pause")

	// It is read, counted as an operation, printed, and shrunk away.
	const header = "slidefuzz case v1\nshape batch=1 heads=1 window=2 dim=1 dtype=U8 layout=heads-first\n" +
		"target roll/drop-war/sim\nblock 1\nschedule descending\n"
	bad := filepath.Join(dir, "bad.txt")
	require.NoError(t, os.WriteFile(bad, []byte(header+"append 2\npause\nappend 1\npause\nexpect op=3 tensor=keys hazard=WAR\n"), 0o600))
	require.Contains(t, run(0, built, "replay", bad), "as expected")
	run(0, built, "minimize", bad, "-o", filepath.Join(dir, "small.txt"))
	data, err := os.ReadFile(filepath.Join(dir, "small.txt"))
	require.NoError(t, err)
	require.Contains(t, string(data), "append 2\nappend 1\nexpect op=2 tensor=keys hazard=WAR\n")

	good := filepath.Join(dir, "good.txt")
	require.NoError(t, os.WriteFile(good, []byte(header+"append 2\npause\n"), 0o600))
	run(0, built, "corpus", "distil", good, "-o", filepath.Join(dir, "few"))
	data, err = os.ReadFile(filepath.Join(dir, "few", "good.txt"))
	require.NoError(t, err)
	require.Equal(t, header+"append 2\npause\nexpect ok\n", string(data))

	require.NoError(t, os.WriteFile(bad, []byte(header+"pause 1\n"), 0o600))
	require.Contains(t, run(2, built, "replay", bad), "bad.txt:6: pause takes nothing")
}

// copyModule copies what the program is built of.
func copyModule(t *testing.T, dir string) {
	t.Helper()
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	const files = `{{if and .Module .Module.Main}}{{$dir := .Dir}}` +
		`{{range .GoFiles}}{{$dir}}/{{.}}{{"\n"}}{{end}}{{range .EmbedFiles}}{{$dir}}/{{.}}{{"\n"}}{{end}}{{end}}`
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", files, ".").Output()
	require.NoError(t, err)
	paths := append(strings.Fields(string(out)), filepath.Join(root, "go.mod"), filepath.Join(root, "go.sum"))
	require.Greater(t, len(paths), 50)
	for _, path := range paths {
		name, err := filepath.Rel(root, path)
		require.NoError(t, err)
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		to := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o700))
		require.NoError(t, os.WriteFile(to, data, 0o600))
	}
}
