package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/props/run/engine"
)

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
