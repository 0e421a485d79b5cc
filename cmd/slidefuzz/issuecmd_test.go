package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	drivers "github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/engine/reference"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/props/run/engine"
)

// serveIssue is a worker with variants of the test of pytorch#159855: the reference
// engine, sound in "roll eager", with a fault in the canary, and with that which its
// argument names, if there is one, in "cat compiled".
func serveIssue() {
	hello := worker.Hello{
		Name: "eager", Version: "1", Device: "cpu", DTypes: []impls.DType{impls.F32},
		Model: &worker.ModelHello{Padding: true, Formats: []string{"hf"}, Variants: []string{"roll eager", "cat compiled", "canary"}},
	}
	w := &issueEngine{fault: map[string]string{"canary": "value-row-moved"}}
	if len(os.Args) > 1 {
		w.fault["cat compiled"] = os.Args[1]
	}
	if err := worker.ServeModel(context.Background(), os.Stdin, os.Stdout, hello, w); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type issueEngine struct {
	drivers.Served
	fault map[string]string // by variant
}

func (w *issueEngine) LoadVariant(ctx context.Context, path, format, variant string, window int) (err error) {
	if w.Driver, err = reference.New(reference.Options{Fault: w.fault[variant]}); err != nil {
		return err
	}
	return w.Load(ctx, path, format, window)
}

// The test in a worker says a line for each row, writes the table, and exits with 1 where an
// update is wrong; a canary that is wrong is as it must be. Tables of several attentions
// are joined.
func TestHuntIssue(t *testing.T) {
	t.Setenv("SLIDEFUZZ_CACHE", t.TempDir())
	hunt := func(exec string) (status int, out, stderr, dir string) {
		dir = t.TempDir()
		status, out, stderr = call(t, "", "hunt", "issue-159855", "--engine", "transformers", "--window", "8", "--arch", "gemma3", "--dtype", "F32", "--cases", "2", "-o", dir, "--exec", exec)
		return status, out, stderr, dir
	}
	status, out, stderr, sound := hunt("issueengine")
	assert.Equal(t, exitOK, status, stderr)
	assert.Contains(t, out, "gemma3 F32, window 8, roll eager: right in 2 runs, 1 different logits")
	assert.Contains(t, out, "canary wrong in 2 of 2 runs, as it must be")
	text, err := os.ReadFile(filepath.Join(sound, issueTableName))
	require.NoError(t, err)
	assert.Contains(t, string(text), `"command": "slidefuzz engine checkpoint ./checkpoint --arch gemma3 --kind visible --window 8`)

	status, out, stderr, wrong := hunt("issueengine value-row-moved")
	assert.Equal(t, exitUnexpected, status, stderr)
	assert.Contains(t, out, "cat compiled: WRONG in 2 of 2 runs")

	status, out, _ = call(t, "", "engine", "table", sound, sound)
	assert.Equal(t, exitOK, status, out)
	assert.Contains(t, out, "| cat compiled | right 2/2, 1 | right 2/2, 1 |")
	status, out, _ = call(t, "", "engine", "table", sound, wrong)
	assert.Equal(t, exitUnexpected, status, out)
	assert.Contains(t, out, "| cat compiled | right 2/2, 1 | **wrong 2/2**, 1 |")
}

// What was kept of the test in transformers is joined, with its exit status; a row that
// one attention lacks makes it 1, and a folder without a table 2.
func TestEngineTable(t *testing.T) {
	kept := filepath.Join("..", "..", "docs", "findings", "issue-159855", "h200")
	eager, sdpa, flash := filepath.Join(kept, "eager"), filepath.Join(kept, "sdpa"), filepath.Join(kept, "flash")
	status, out, stderr := call(t, "", "engine", "table", eager, sdpa, flash)
	assert.Equal(t, exitOK, status, stderr)
	assert.Contains(t, out, "| gemma2 F32, W=4096 | roll compiled | right 10/10, 1 | right 10/10, 1 | – |\n")

	text, err := os.ReadFile(filepath.Join(sdpa, issueTableName))
	require.NoError(t, err)
	var table engine.IssueTable
	require.NoError(t, json.Unmarshal(text, &table))
	table.Rows = table.Rows[:len(table.Rows)-1] // as of a test that was interrupted
	text, err = json.Marshal(table)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, issueTableName), text, 0o644))
	status, out, stderr = call(t, "", "engine", "table", eager, dir)
	assert.Equal(t, exitUnexpected, status, stderr)
	assert.Contains(t, out, "missing")

	status, _, stderr = call(t, "", "engine", "table", eager, t.TempDir())
	assert.Equal(t, exitUsage, status)
	assert.Contains(t, stderr, issueTableName)
}
