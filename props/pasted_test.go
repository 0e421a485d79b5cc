package props

import (
	"archive/zip"
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
)

// moduleProxy serves the packages of this checkout as a released version of
// slidefuzz, and what they need from the module cache: no network is asked.
func moduleProxy(t *testing.T) []string {
	t.Helper()
	const path, version = "github.com/slidefuzz/slidefuzz", "v0.1.0"
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	var archive bytes.Buffer
	z := zip.NewWriter(&archive)
	add := func(name string) {
		data, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		w, err := z.Create(path + "@" + version + "/" + filepath.ToSlash(name))
		require.NoError(t, err)
		_, err = w.Write(data)
		require.NoError(t, err)
	}
	add("go.mod")
	for _, dir := range []string{"corpus", "impls", "oracle", "props"} {
		require.NoError(t, filepath.WalkDir(filepath.Join(root, dir), func(file string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			name, err := filepath.Rel(root, file)
			if err != nil {
				return err
			}
			if d.IsDir() {
				// A module of its own is no part of this one.
				if _, err := os.Stat(filepath.Join(file, "go.mod")); err == nil {
					return fs.SkipDir
				}
				return nil
			}
			if d.Type().IsRegular() && !strings.HasSuffix(name, "_test.go") {
				add(name)
			}
			return nil
		}))
	}
	require.NoError(t, z.Close())
	proxy := t.TempDir()
	dir := filepath.Join(proxy, filepath.FromSlash(path), "@v")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	for name, data := range map[string][]byte{
		"list": []byte(version + "\n"), version + ".info": []byte(`{"Version":"` + version + `"}`), version + ".mod": mod, version + ".zip": archive.Bytes(),
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o644))
	}
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE").Output()
	require.NoError(t, err)
	cache := filepath.Join(strings.TrimSpace(string(out)), "cache", "download")
	// -modcacherw, so that the temporary cache can be removed.
	return []string{
		"GOPROXY=file://" + proxy + ",file://" + cache, "GOSUMDB=off", "GOTOOLCHAIN=local", "GOFLAGS=-modcacherw", "GOMODCACHE=" + t.TempDir(),
	}
}

// The commands of a page run as they are pasted into a shell in the report's
// folder, and its Go test fails on the finding.
func TestCommandsOfAPage(t *testing.T) {
	if testing.Short() || impls.RaceEnabled {
		t.Skip("builds the command and tests of reports: without -short and without -race only")
	}
	bin := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", bin, "../cmd/slidefuzz").CombinedOutput()
	require.NoError(t, err, "%s", out)
	env := append(os.Environ(), moduleProxy(t)...)
	env = append(env, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	for name, x := range map[string]struct {
		text string
		runs []string // the first words of the commands
	}{
		"a race": {
			"target cat/drop-war/sim\nblock 1\nschedule descending\nappend 2\nappend 1\n",
			[]string{"slidefuzz replay", "slidefuzz minimize", "go test"},
		},
		"bookkeeping": {
			"target roll-early/fused/sim\nblock 1\nschedule ascending\nappend 1\nappend 1\n",
			[]string{"slidefuzz replay", "slidefuzz minimize", "go get", "go test"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := corpus.Parse("case", []byte("slidefuzz case v1\nshape batch=1 heads=1 window=2 dim=1 dtype=U8 layout=heads-first\n"+x.text), 0)
			require.NoError(t, err)
			d := diverge(t, NewRunner(), c)
			require.NotNil(t, d)
			dir := t.TempDir()
			require.NoError(t, corpus.Report{Case: c, Divergence: d}.WriteDir(dir))
			page, err := os.ReadFile(filepath.Join(dir, "README.md"))
			require.NoError(t, err)
			_, after, found := strings.Cut(string(page), "## Run it again\n\n```\n")
			require.True(t, found)
			commands, _, found := strings.Cut(after, "```")
			require.True(t, found)
			var ran []string
			for line := range strings.Lines(commands) {
				ran = append(ran, strings.Join(strings.Fields(line)[:2], " "))
				cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
				cmd.Dir, cmd.Env = dir, env
				out, err := cmd.CombinedOutput()
				if strings.HasPrefix(line, "go test") {
					require.Error(t, err, "%s%s", line, out)
					require.Contains(t, string(out), "--- FAIL: Test")
					continue
				}
				require.NoError(t, err, "%s%s", line, out)
			}
			require.Equal(t, x.runs, ran)
		})
	}
}
