//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	client "github.com/slidefuzz/slidefuzz/impls/worker"
)

// The folder of a report and that of its worker's command are seen from each other.
func TestFolders(t *testing.T) {
	root := t.TempDir()
	t.Chdir(root)
	elsewhere := t.TempDir()
	for _, x := range []struct{ dir, folder, here string }{
		{"reports/one", "../..", "reports/one"},
		{".", ".", "."},
		{"..", filepath.Base(root), ".."},
		{elsewhere, "../" + filepath.Base(root), "../" + filepath.Base(elsewhere)},
	} {
		folder, here := folders(x.dir)
		assert.Equal(t, []string{x.folder, x.here}, []string{folder, here}, x.dir)
	}
}

// The commands of a worker's report are run as they are printed, from the report's folder,
// whatever the worker's command is: with a script for a shell, with files in the folder of the
// hunt, with a word that is a file's name there and is none, with variables. No word of it
// is changed.
func TestReportCommandsOfWorkers(t *testing.T) {
	slidefuzz := slidefuzzCommand(t)
	bin := filepath.Dir(slidefuzz)
	script := `test "$1" = roll/drop-war/sim || { echo "not $1"; exit 1; } >&2
exec slidefuzz worker "$1"
`
	for name, x := range map[string]struct{ set, exec string }{
		"a path":            {"", "./my-worker roll/drop-war/sim"},
		"a shell":           {"", `sh -c 'exec ./my-worker "$0" 2>>"it'"'"'s said.txt"' roll/drop-war/sim`},
		"a file's name":     {"", "./my-worker roll/drop-war/sim file"},
		"an empty word":     {"", `sh -c 'test -z "$0" && exec ./my-worker "$1"' "" roll/drop-war/sim`},
		"a path in a value": {"", "env LIB=lib sh -c 'exec \"$LIB/worker\" roll/drop-war/sim'"},
		"variables":         {"PYTHONPATH=lib XLA_FLAGS='--a=b --c=$HOME'", `sh -c 'test "$XLA_FLAGS" = "--a=b --c=\$HOME" && exec "$PYTHONPATH/worker" roll/drop-war/sim'`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := filepath.Join(t.TempDir(), "a folder")
			require.NoError(t, os.MkdirAll(filepath.Join(root, "lib"), 0o755))
			for _, file := range []string{"my-worker", "lib/worker"} {
				require.NoError(t, os.WriteFile(filepath.Join(root, file), []byte("#!/bin/sh\n"+script), 0o755))
			}
			require.NoError(t, os.WriteFile(filepath.Join(root, "file"), nil, 0o644))
			user := tester{append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))}
			quoted := "'" + strings.ReplaceAll(x.exec, "'", `'\''`) + "'"
			status, out := user.run(t, root, fmt.Sprintf("%s slidefuzz hunt --exec %s --seed 1 --cases 100 --jobs 1 --shrink-time 2s -o 'my reports'", x.set, quoted))
			require.Equal(t, exitUnexpected, status, out)
			pages, err := filepath.Glob(filepath.Join(root, "my reports", "*", "README.md"))
			require.NoError(t, err)
			require.NotEmpty(t, pages, out)
			page, err := os.ReadFile(pages[0])
			require.NoError(t, err)
			_, after, _ := strings.Cut(string(page), "## Run it again\n\n```\n")
			commands, _, _ := strings.Cut(after, "```")
			lines := strings.Split(strings.TrimSpace(commands), "\n")
			require.Len(t, lines, 3, commands)
			for i, want := range []string{"; as expected", "FAILED in run 1", "slidefuzz case v1"} {
				status, out := user.run(t, filepath.Dir(pages[0]), lines[i])
				require.Equal(t, i == 1, status == 1, "%s\n%s", lines[i], out)
				require.Contains(t, out, want, lines[i])
			}
			// And as a whole, as they are pasted at once.
			_, out = user.run(t, filepath.Dir(pages[0]), commands)
			require.Contains(t, out, "as expected")
			require.Contains(t, out, "FAILED in run 1")
			require.Contains(t, out, "slidefuzz case v1")
		})
	}
}

// A report of a shard has the variables of the shard, and the folder as it is seen from where
// the merge writes it.
func TestReportOfShardElsewhere(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range workerEnvNames {
		t.Setenv(name, "") // so that it is what it was afterwards
		require.NoError(t, os.Unsetenv(name))
	}
	t.Setenv("XLA_FLAGS", "--a --b")
	c, err := corpus.Parse("case", []byte("slidefuzz case v1\nshape batch=1 heads=1 window=2 dim=1 dtype=F32 layout=heads-first\ntarget worker/x\nblock 1\nschedule native\nappend 2\n"), 0)
	require.NoError(t, err)
	d := &corpus.Divergence{Op: 1, OpKind: "append", Tensor: "keys", Fault: corpus.FaultRows}
	flags := &workerFlags{exec: slidefuzzCommand(t) + " worker roll/drop-war/sim"}
	args, err := splitCommand(flags.exec)
	require.NoError(t, err)
	to := reporter{client: &client.Client{Args: args}, flags: flags}
	defer to.client.Kill()
	text, err := json.Marshal(to.kept(t.Context(), "shard/one", c, d))
	require.NoError(t, err)
	t.Setenv("XLA_FLAGS", "another")
	var kept keptReport
	require.NoError(t, json.Unmarshal(text, &kept))
	require.NoError(t, kept.in("merged").WriteDir("merged"))
	page, err := os.ReadFile(filepath.Join("merged", "README.md"))
	require.NoError(t, err)
	require.Contains(t, string(page), "\n(cd .. && XLA_FLAGS='--a --b' slidefuzz replay --exec '"+flags.exec+"' merged/case.txt)")
	script, err := os.ReadFile(filepath.Join("merged", "reproduce.py"))
	require.NoError(t, err)
	require.Contains(t, string(script), "\nFOLDER = \"..\"  #")
	require.Contains(t, string(script), "\nENV = {\"XLA_FLAGS\":\"--a --b\"}  #")
}

// The page on workers lists the variables that a report's commands carry.
func TestWorkersPageListsVariables(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "workers.md"))
	require.NoError(t, err)
	for _, name := range workerEnvNames {
		require.Contains(t, string(page), "`"+name+"`")
	}
}

// A worker is not started for files of which none is there, as where a report's command is
// pasted in another folder.
func TestReplayOfNoFile(t *testing.T) {
	started := filepath.Join(t.TempDir(), "started")
	missing := filepath.Join(t.TempDir(), "case.txt")
	status, _, stderr := call(t, "", "replay", "--exec", "sh -c 'touch "+started+"; exit 4'", missing)
	require.Equal(t, exitUsage, status)
	require.Equal(t, "slidefuzz: replay: there is no file "+missing+"; give the path of a file, or - for standard input\n", stderr)
	require.NoFileExists(t, started)
}
