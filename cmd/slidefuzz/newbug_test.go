package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// forgetfulFile is the bug that CONTRIBUTING.md shows.
const forgetfulFile = `package caches

import "github.com/slidefuzz/slidefuzz/impls"

var ringForgetsReset = bug{
	name: "ring-forgets-reset", base: "ring", reference: "owner/repository#1",
	mechanism: "a reset leaves the rows and the number of tokens",
	make:      planted(plainRing, func(c *Ring) impls.Cache { return &forgetsReset{Ring: c} }),
}

// forgetsReset resets once, when it is made.
type forgetsReset struct {
	*Ring
	made bool
}

func (c *forgetsReset) Reset() {
	if !c.made {
		c.made = true
		c.Ring.Reset()
	}
}
`

// A new bug is one file and one line of the list: in a copy of the tree it is listed,
// caught, shrunk and told. CONTRIBUTING.md shows that file.
func TestNewBug(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join("..", "..", "CONTRIBUTING.md"))
	require.NoError(t, err)
	indented := "  " + strings.TrimSuffix(strings.ReplaceAll(strings.ReplaceAll(forgetfulFile, "\n", "\n  "), "\n  \n", "\n\n"), "  ")
	require.Contains(t, string(guide), indented, "CONTRIBUTING.md shows another file")
	if testing.Short() {
		t.Skip("it builds a copy of the tree")
	}
	dir := t.TempDir()
	copyModule(t, dir)
	folder := filepath.Join(dir, "impls", "caches")
	list := filepath.Join(folder, "bugs.go")
	text, err := os.ReadFile(list)
	require.NoError(t, err)
	const first = "var bugs = []bug{\n"
	require.Equal(t, 1, strings.Count(string(text), first))
	text = []byte(strings.Replace(string(text), first, first+"\tringForgetsReset,\n", 1))
	require.NoError(t, os.WriteFile(list, text, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "bug_ring_forgets_reset.go"), []byte(forgetfulFile), 0o600))

	cmd := exec.CommandContext(t.Context(), "go", "run", "./cmd/slidefuzz", "bugs", "go/ring-forgets-reset", "--seeds", "3", "-o", "bugs.md")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "go/ring-forgets-reset: caught at case ")
	require.Contains(t, string(out), "; reset; append 1\n")
	table, err := os.ReadFile(filepath.Join(dir, "bugs.md"))
	require.NoError(t, err)
	require.Contains(t, string(table), "| `go/ring-forgets-reset` | [owner/repository#1](https://github.com/owner/repository/issues/1) | ring: a reset leaves the rows")
	require.Contains(t, string(table), "100 of 100")
}
