package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"maps"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

// workflow is what the tests read of a workflow of GitHub.
type workflow struct {
	Env  map[string]string `yaml:"env"`
	Jobs map[string]struct {
		Steps []step `yaml:"steps"`
	} `yaml:"jobs"`
}

type step struct {
	Uses string            `yaml:"uses"`
	Run  string            `yaml:"run"`
	With map[string]string `yaml:"with"`
}

func readWorkflow(t *testing.T, name string) (w workflow) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", name))
	require.NoError(t, err)
	require.NoError(t, yaml.Unmarshal(text, &w))
	return w
}

// user is someone with a folder of his own, who gets this module from a GOPROXY that
// is a folder, and all else from what this machine has downloaded before.
type user struct {
	dir  string
	temp string // RUNNER_TEMP
	env  map[string]string
}

func newUser(t *testing.T) *user {
	t.Helper()
	if testing.Short() {
		t.Skip("builds a module of its own")
	}
	if runtime.GOOS == "windows" {
		t.Skip("the lines of the workflow are for a shell")
	}
	root, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	u := &user{dir: t.TempDir(), temp: t.TempDir()}
	proxy, gopath := t.TempDir(), t.TempDir()
	fill := exec.CommandContext(t.Context(), "go", "run", "./docs/goproxy", "-o", proxy)
	fill.Dir = root
	out, err := fill.CombinedOutput()
	require.NoError(t, err, "%s", out)
	u.env = map[string]string{
		"GOPROXY": proxies(t, proxy), "GOSUMDB": "off", "GOWORK": "off",
		"GOFLAGS": "-mod=mod -modcacherw", "GOPATH": gopath, "GOMODCACHE": "", "GOBIN": "", "PATH": filepath.Join(gopath, "bin") + ":" + os.Getenv("PATH"),
		"GITHUB_SHA": "3eee4c0b8fe6afee48a49e885bb3ec31d40a0054", "GITHUB_RUN_ID": "1234567890", "GITHUB_EVENT_NAME": "push",
		"RUNNER_TEMP": u.temp, "SLIDEFUZZ_CASES": "50", "SLIDEFUZZ_SEED": "",
		// The kit, out of the checkout.
		"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "url.file://" + root + ".insteadOf", "GIT_CONFIG_VALUE_0": "https://github.com/slidefuzz/slidefuzz",
	}
	return u
}

// proxies is a GOPROXY that asks a folder, then what this machine has downloaded before. The
// user's own comes last: the cache has what this module is built with, and not every go.mod
// that a user's module reads.
func proxies(t *testing.T, proxy string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE", "GOPROXY").Output()
	require.NoError(t, err)
	had := strings.Split(string(out), "\n") // a path may have spaces
	all := ""
	for _, dir := range []string{proxy, filepath.Join(had[0], "cache", "download")} {
		file := url.URL{Scheme: "file", Path: dir}
		all += strings.ReplaceAll(file.String(), ",", "%2C") + ","
	}
	return all + had[1]
}

// The folders of a GOPROXY may have spaces and commas in their names.
func TestProxiesOfOddFolders(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("has other paths")
	}
	t.Setenv("GOMODCACHE", "/a cache, of mine")
	t.Setenv("GOPROXY", "off")
	require.Equal(t, "file:///b%20c,file:///a%20cache%2C%20of%20mine/cache/download,off", proxies(t, "/b c"))
}

func (u *user) write(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(u.dir, name), []byte(text), 0o644))
}

// run runs a script as a runner of GitHub does, and returns what it prints and its
// exit status.
func (u *user) run(t *testing.T, script string, env map[string]string) (string, int) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "step.sh")
	require.NoError(t, os.WriteFile(file, []byte(script), 0o644))
	cmd := exec.CommandContext(t.Context(), "bash", "-e", file)
	cmd.Dir = u.dir
	cmd.Env = os.Environ()
	for _, vars := range []map[string]string{u.env, env} {
		for _, k := range slices.Sorted(maps.Keys(vars)) {
			cmd.Env = append(cmd.Env, k+"="+vars[k])
		}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return out.String(), exit.ExitCode()
	}
	require.NoError(t, err)
	return out.String(), 0
}

// job runs the steps of a job that a shell can run, up to the first that fails, and
// returns what they print, the status of the last, and the files that the job uploads.
// A step that uses an action is for GitHub alone.
func (u *user) job(t *testing.T, w workflow, name string, env map[string]string) (printed string, status int, uploaded []string) {
	t.Helper()
	vars := maps.Clone(w.Env)
	maps.Copy(vars, env)
	vars["GITHUB_ENV"] = filepath.Join(t.TempDir(), "env")
	require.Contains(t, w.Jobs, name)
	ran := 0
	for _, s := range w.Jobs[name].Steps {
		switch {
		case s.Run != "" && status == 0:
			ran++
			out := ""
			out, status = u.run(t, s.Run, vars)
			printed += out
			text, _ := os.ReadFile(vars["GITHUB_ENV"]) // there is none until a step sets something
			for line := range strings.Lines(string(text)) {
				k, v, _ := strings.Cut(strings.TrimSpace(line), "=")
				vars[k] = v
			}
		case strings.HasPrefix(s.Uses, "mikepenz/action-junit-report@"):
			text, err := os.ReadFile(filepath.Join(u.dir, s.With["report_paths"]))
			require.NoError(t, err, "%s", printed)
			require.NoError(t, xml.Unmarshal(text, new(struct{})))
		case strings.HasPrefix(s.Uses, "actions/upload-artifact@"):
			for pattern := range strings.Lines(s.With["path"]) {
				uploaded = append(uploaded, u.match(t, strings.TrimSpace(pattern))...)
			}
		}
	}
	require.Positive(t, ran)
	return printed, status, uploaded
}

// match are the files of a path of upload-artifact, and those below it.
func (u *user) match(t *testing.T, pattern string) (files []string) {
	t.Helper()
	pattern = strings.Replace(pattern, "${{ runner.temp }}", u.temp, 1)
	require.NotContains(t, pattern, "${{")
	if !filepath.IsAbs(pattern) {
		// A module of one package: ** is nothing.
		pattern = filepath.Join(u.dir, strings.TrimPrefix(pattern, "**/"))
	}
	_ = filepath.WalkDir(pattern, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return nil // what is not there is not uploaded
	})
	return files
}

const userTests = `package ring

import (
	"testing"

	"github.com/slidefuzz/slidefuzz/props"
)

func TestMyCache(t *testing.T) { props.TestCache(t, newRing, props.Chunks()) }

func FuzzMyCache(f *testing.F) { props.FuzzCache(f, newRing, props.Chunks()) }
`

// The workflow in a module of a user's own: a sound ring passes every job, and of one
// that wraps a row early every job fails and uploads what shows it.
func TestWorkflow(t *testing.T) {
	u := newUser(t)
	ring, err := os.ReadFile(filepath.Join("..", "..", "props", "testdata", "user", "ring.txt"))
	require.NoError(t, err)
	u.write(t, "ring.go", string(ring))
	u.write(t, "ring_test.go", userTests)
	u.write(t, "fault.go", "package ring\n\nconst offByOne = 0\n")
	out, status := u.run(t, "go mod init example.com/ring && go get github.com/slidefuzz/slidefuzz@latest && go mod tidy", nil)
	require.Zero(t, status, out)
	assert.Contains(t, out, "github.com/slidefuzz/slidefuzz v0.2.0")

	// All else is of this module, or was needed to build it.
	if out, status := u.run(t, "go run gotest.tools/gotestsum@v1.13.0 --version", nil); status != 0 {
		lacks(t, "network", "gotestsum is not to be had: "+out)
	}
	w := readWorkflow(t, "workflow.yml")
	// Less than a night.
	env := map[string]string{"HUNT_TIME": "2s", "FUZZ_TIME": "300x"}
	jobs := []string{"test", "hunt", "fuzz"}
	require.ElementsMatch(t, jobs, slices.Collect(maps.Keys(w.Jobs)))
	for _, job := range jobs {
		out, status, _ := u.job(t, w, job, env)
		assert.Zero(t, status, "%s: %s", job, out)
	}
	u.write(t, "fault.go", "package ring\n\nconst offByOne = 1\n")
	env["FUZZ_TIME"] = "20000x"
	for job, wants := range map[string][]string{"test": {`/case\.txt$`, `/README\.md$`, `junit-test\.xml$`}, "hunt": {`/case\.txt$`, `junit-hunt\.xml$`}, "fuzz": {`/testdata/fuzz/FuzzMyCache/|/case\.txt$`}} {
		require.NoError(t, os.RemoveAll(filepath.Join(u.temp, "_artifacts")))
		out, status, uploaded := u.job(t, w, job, env)
		assert.NotZero(t, status, "%s: %s", job, out)
		for _, want := range wants {
			assert.True(t, slices.ContainsFunc(uploaded, regexp.MustCompile(want).MatchString), "%s uploads %s, not %s\n%s", job, uploaded, want, out)
		}
	}
}

// The workflow of a worker in Python, with the ring of docs/workers.md.
func TestWorkflowWorker(t *testing.T) {
	u := newUser(t)
	if out, err := exec.CommandContext(t.Context(), "git", "rev-parse", "HEAD").CombinedOutput(); err != nil {
		t.Skipf("no git checkout to take the package from: %s", out)
	}
	bin := virtualEnvironment(t)
	u.env["PATH"] = bin + ":" + u.env["PATH"]
	maps.Copy(u.env, map[string]string{"PIP_NO_INDEX": "1", "PIP_NO_BUILD_ISOLATION": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PYTHONDONTWRITEBYTECODE": "1"})
	example, err := os.ReadFile(filepath.Join(kit, "examples", "ring_cache.py"))
	require.NoError(t, err)
	u.write(t, "my_worker.py", string(example))

	w := readWorkflow(t, "workflow-worker.yml")
	env := map[string]string{"HUNT_TIME": "2s"}
	out, status, _ := u.job(t, w, "worker", env)
	require.Zero(t, status, out)
	assert.Contains(t, out, "OK: it speaks the protocol")
	assert.Regexp(t, `worker/ring +[0-9]+ cases  ok`, out)

	bad := strings.Replace(string(example), "self.values[:, :, new % window]", "self.values[:, :, (new + 1) % window]", 1)
	u.write(t, "my_worker.py", bad)
	out, status, uploaded := u.job(t, w, "worker", env)
	assert.Equal(t, 1, status, out)
	i := slices.IndexFunc(uploaded, regexp.MustCompile(`reports/.*/case\.txt$`).MatchString)
	require.GreaterOrEqual(t, i, 0, "%s\n%s", uploaded, out)

	// Kept, it fails before the hunt, and no more once the cache is mended.
	kept, err := os.ReadFile(uploaded[i])
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Join(u.dir, "testdata", "slidefuzz"), 0o755))
	u.write(t, filepath.Join("testdata", "slidefuzz", "rows.txt"), string(kept))
	out, status, _ = u.job(t, w, "worker", env)
	assert.Equal(t, 1, status, out)
	assert.NotContains(t, out, "1 target, seed")
	u.write(t, "my_worker.py", string(example))
	out, status, _ = u.job(t, w, "worker", env)
	assert.Zero(t, status, out)
	assert.Contains(t, out, "agrees with the oracle")
}
