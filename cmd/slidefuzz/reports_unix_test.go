//go:build unix

package main

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/gpu"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// moduleProxy serves the packages of this checkout as a released version of
// slidefuzz, and what they need from the module cache: no network is asked.
func moduleProxy(t *testing.T) []string {
	t.Helper()
	const path, version = "github.com/slidefuzz/slidefuzz", "v0.1.0"
	root, err := filepath.Abs(filepath.Join("..", ".."))
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
	// -modcacherw, so that the temporary cache can be removed.
	return []string{
		"GOPROXY=" + proxies(t, proxy), "GOSUMDB=off", "GOTOOLCHAIN=local", "GOFLAGS=-modcacherw", "GOMODCACHE=" + t.TempDir(),
	}
}

// tester runs commands as a reader of a report would, in a shell.
type tester struct{ env []string }

// newTester makes slidefuzz, which is this test's binary, a command in PATH.
func newTester(t *testing.T) tester {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	bin := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\n%s=slidefuzz exec %q \"$@\"\n", asEnv, self)
	require.NoError(t, os.WriteFile(filepath.Join(bin, "slidefuzz"), []byte(script), 0o755))
	env := append(os.Environ(), moduleProxy(t)...)
	return tester{append(env, "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))}
}

// run runs a line in a folder and returns its exit status.
func (x tester) run(t *testing.T, dir, line string) (status int, out string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line)
	cmd.Dir, cmd.Env = dir, x.env
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), string(text)
}

// hunts leave the reports that TestReports reads, each in a folder of its own.
var hunts = []struct{ name, hunt string }{
	{"sim", "slidefuzz hunt --device sim"},
	{"host", "slidefuzz hunt --device host"},
	{"opencl", "slidefuzz hunt --cases 500 roll/drop-war/opencl cat/drop-war/opencl up-shift/drop-clone/opencl down-shift/drop-war/opencl program/drop-war/opencl"},
	{"worker", "slidefuzz hunt --exec './slidefuzz-worker roll/drop-war/sim' --cases 500 --shrink-time 5s"},
	{"worker in a shell", `slidefuzz hunt --exec "sh -c 'exec ./slidefuzz-worker roll/drop-war/sim'" --cases 500 --shrink-time 5s`},
	{"bookkeeping of a worker", "slidefuzz hunt --exec 'slidefuzz worker reset-length/fused/sim' --cases 500 --shrink-time 5s"},
	{"programs", "slidefuzz hunt --exec 'slidefuzz worker program/drop-war/sim' --cases 320 --shrink-time 5s"},
}

// A report is as good as its commands: each is run as it is printed, from the
// report's folder, and does what the page says; a Go test fails on the finding.
// SLIDEFUZZ_REPORTS sets how many reports; a hundred take some minutes.
func TestReports(t *testing.T) {
	if testing.Short() || inplace.RaceEnabled {
		t.Skip("builds a Go test for each report: without -short and without -race only")
	}
	n := 10
	if text := os.Getenv("SLIDEFUZZ_REPORTS"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	x := newTester(t)
	root := t.TempDir()
	// A worker whose path is seen from where the hunt is run.
	require.NoError(t, os.WriteFile(filepath.Join(root, "slidefuzz-worker"), []byte("#!/bin/sh\nexec slidefuzz worker \"$@\"\n"), 0o755))
	var groups [][]string
	for _, h := range hunts {
		if h.name == "opencl" && !hasOpenCL(t) {
			continue
		}
		var folders []string
		// A seed finds some 40 failures on sim, and a dozen on host.
		for seed := 1; len(folders) < (n+4)/5 && seed < 20; seed++ {
			out := filepath.Join(root, fmt.Sprintf("%s %d", h.name, seed))
			_, text := x.run(t, root, fmt.Sprintf("%s --seed %d -o '%s'", h.hunt, seed, out))
			found, err := filepath.Glob(filepath.Join(out, "*", "case.txt"))
			require.NoError(t, err)
			require.NotEmpty(t, found, text)
			for _, f := range found {
				folders = append(folders, filepath.Dir(f))
			}
		}
		groups = append(groups, folders)
	}
	// One whose kernel is too large for a frozen test.
	large := filepath.Join(root, "large.txt")
	require.NoError(t, os.WriteFile(large, []byte("slidefuzz case v1\nshape batch=1 heads=1 window=4096 dim=2 dtype=U8 layout=heads-first\n"+
		"target cat/drop-war/sim\nblock 1024\nschedule descending\nappend 4096\nappend 1\n"), 0o644))
	status, text := x.run(t, root, "slidefuzz report large.txt -o large")
	require.Zero(t, status, text)
	groups = append(groups, []string{filepath.Join(root, "large")})

	kinds := map[string]int{}
	tried := 0
	for i := 0; tried < n; i++ {
		some := false
		for _, g := range groups {
			if i < len(g) && tried < n {
				some = true
				tried++
				t.Run(strings.TrimPrefix(g[i], root+"/"), func(t *testing.T) { kinds[x.report(t, g[i])]++ })
			}
		}
		require.True(t, some, "%d reports, not %d", tried, n)
	}
	t.Logf("%d reports: %v", tried, kinds)
	require.Positive(t, kinds["frozen test"])
	require.Positive(t, kinds["test of the lowering"])
	require.Positive(t, kinds["no test"])
}

func hasOpenCL(t *testing.T) bool {
	t.Helper()
	d, err := gpu.Open("opencl")
	require.NoError(t, err)
	_, err = d.About(t.Context())
	var missing *gpu.MissingError
	if errors.As(err, &missing) && !slices.Contains(strings.Split(os.Getenv("SLIDEFUZZ_REQUIRE"), ","), "opencl") {
		t.Log("NO REPORTS OF OPENCL ARE TESTED: " + err.Error())
		return false
	}
	require.NoError(t, err)
	return true
}

// report tries one report and says what kind of Go test it has.
func (x tester) report(t *testing.T, dir string) (kind string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "README.md"))
	require.NoError(t, err)
	page := string(data)
	_, after, found := strings.Cut(page, "## Run it again\n\n```\n")
	require.True(t, found, page)
	commands, _, found := strings.Cut(after, "```")
	require.True(t, found, page)
	kind = "no test"
	for line := range strings.Lines(commands) {
		line = strings.TrimSpace(line)
		status, out := x.run(t, dir, line)
		// A worker's runs in the folder of the hunt.
		_, command, found := strings.Cut(line, "&& ")
		if !found {
			command = line
		}
		switch words := strings.Fields(command); words[0] + " " + words[1] {
		case "slidefuzz replay":
			if strings.HasSuffix(line, "the next may all pass") {
				assert.LessOrEqual(t, status, 1, "%s: %s", line, out)
				assert.Contains(t, out, "runs diverged")
				continue
			}
			assert.Zero(t, status, "%s: %s", line, out)
			assert.Contains(t, out, "as expected")
		case "slidefuzz minimize":
			assert.Zero(t, status, "%s: %s", line, out)
			assert.Contains(t, out, "slidefuzz case v1")
		case "python3 reproduce.py":
			if status != 0 || !strings.Contains(line, "if one fails") {
				assert.Equal(t, 1, status, "%s: %s", line, out)
				assert.Contains(t, out, "FAILED in run ")
			}
		case "go get":
			assert.Zero(t, status, "%s: %s", line, out)
		case "go test":
			assert.NotZero(t, status, "%s: %s", line, out)
			assert.Contains(t, out, "--- FAIL: Test")
			kind = x.goTest(t, dir, page)
		default:
			assert.Fail(t, "an unknown command", line)
		}
	}
	if kind == "no test" {
		assert.Contains(t, page, "There is no Go test here: ")
		assert.NoFileExists(t, filepath.Join(dir, "replay_test.go"))
	}
	return kind
}

// goTest mends what the test of a report is about, where that can be done.
func (x tester) goTest(t *testing.T, dir, page string) (kind string) {
	t.Helper()
	if strings.Contains(page, "is a frozen model of the moves") {
		assert.Contains(t, page, "goes on failing once the fault is mended")
		return "frozen test"
	}
	c, err := corpus.ReadFile(filepath.Join(dir, "case.txt"), 0)
	require.NoError(t, err)
	if c.Target.Lowering.Sound() {
		return "test of a cache"
	}
	path := filepath.Join(dir, "replay_test.go")
	source, err := os.ReadFile(path)
	require.NoError(t, err)
	mended := bytes.ReplaceAll(source, []byte("/"+c.Target.Lowering.String()+"/"), []byte("/fused/"))
	require.NotEqual(t, source, mended)
	require.NoError(t, os.WriteFile(path, mended, 0o644))
	status, out := x.run(t, dir, "go test")
	assert.Zero(t, status, out)
	return "test of the lowering"
}
