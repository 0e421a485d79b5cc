package main

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// kit is the folder of the Python package.
var kit = filepath.Join("..", "..", "impls", "worker", "python")

// readKit reads the folders of the Python package: go test's cache knows of those that the
// test reads itself, and what is in them, and not of what its Python reads.
func readKit(t *testing.T) {
	t.Helper()
	for _, dir := range []string{kit, filepath.Join(kit, "slidefuzz_worker")} {
		_, err := os.ReadDir(dir)
		require.NoError(t, err)
	}
}

// lacks skips the test, or fails it where SLIDEFUZZ_REQUIRE names what is missing.
func lacks(t *testing.T, what, why string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("SLIDEFUZZ_REQUIRE"), ","), what) {
		t.Fatalf("%s is missing: %s", what, why)
	}
	t.Skipf("SKIPPED, NOT TESTED: %s is missing: %s", what, why)
}

// virtualEnvironment makes a virtual environment on top of a Python that has numpy
// and setuptools, and returns its folder of programs. pip installs into it without
// a network.
func virtualEnvironment(t *testing.T) string {
	t.Helper()
	python := ""
	for _, p := range []string{"python3", "/usr/bin/python3"} {
		if exec.CommandContext(t.Context(), p, "-c", "import numpy, setuptools, venv, ensurepip").Run() == nil {
			python = p
			break
		}
	}
	if python == "" {
		lacks(t, "python", "no python3 has numpy, setuptools and venv; on Debian: apt-get install python3-numpy python3-setuptools python3-wheel python3-venv")
	}
	dir := filepath.Join(t.TempDir(), "venv")
	out, err := exec.CommandContext(t.Context(), python, "-m", "venv", "--system-site-packages", dir).CombinedOutput()
	require.NoError(t, err, "%s", out)
	return filepath.Join(dir, "bin")
}

// pipInstall installs the kit, out of a copy of its folder: pip builds in place.
func pipInstall(t *testing.T, bin string) {
	t.Helper()
	folder := filepath.Join(t.TempDir(), "kit")
	require.NoError(t, os.CopyFS(folder, os.DirFS(kit)))
	out, err := exec.CommandContext(t.Context(), filepath.Join(bin, "pip"), "install", "--no-index", "--no-build-isolation", "--disable-pip-version-check", folder).CombinedOutput()
	if err != nil && strings.Contains(string(out), "bdist_wheel") {
		lacks(t, "python", "setuptools before 70.1 builds no wheel without the package wheel")
	}
	require.NoError(t, err, "%s", out)
}

// The kit is installed by pip from its folder; its example is sound, and found out
// when it is not.
func TestPythonKit(t *testing.T) {
	if testing.Short() {
		t.Skip("makes a virtual environment")
	}
	bin := virtualEnvironment(t)
	pipInstall(t, bin)
	text, err := os.ReadFile(filepath.Join(kit, "examples", "ring_cache.py"))
	require.NoError(t, err)
	dir := t.TempDir()
	t.Setenv("PYTHONDONTWRITEBYTECODE", "1")
	write := func(name, text string) (python, file string) {
		file = filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		return filepath.Join(bin, "python"), file
	}

	python, sound := write("ring_cache.py", string(text))
	status, out, stderr := call(t, "", "worker", "check", "--", python, sound)
	require.Zero(t, status, out+stderr)
	assert.Regexp(t, `(?m)^OK: it speaks the protocol .*\n\z`, out)
	status, out, stderr = call(t, "", "hunt", "--seed", "1", "--cases", "500", "--exec", python+" "+sound)
	assert.Zero(t, status, out+stderr)
	assert.Contains(t, out, "worker/ring     500 cases  ok")

	bad := strings.Replace(string(text), "self.values[:, :, new % window]", "self.values[:, :, (new + 1) % window]", 1)
	require.NotEqual(t, string(text), bad)
	python, off := write("off_by_one.py", bad)
	status, out, stderr = call(t, "", "hunt", "--seed", "1", "--cases", "500", "--exec", python+" "+off)
	assert.Equal(t, 1, status, out+stderr)
	assert.Contains(t, out, "DIVERGED")
	assert.Contains(t, out, "values")

	// The package says that it is typed.
	out2, err := exec.CommandContext(t.Context(), python, "-c", "import os, slidefuzz_worker as w; print(os.path.exists(os.path.join(os.path.dirname(w.__file__), 'py.typed')))").Output()
	require.NoError(t, err)
	assert.Equal(t, "True\n", string(out2))
}

// upwards is a worker of numpy that writes the rows of a slice one after the other.
const upwards = `import sys
from slidefuzz_worker.programs import INDEX_COPY, Style, numpy_space, script_text, serve_programs

HELPER = """def put(x, rows):
    for i in range(x.shape[2]):
        x[:, :, i] = rows[:, :, i]
"""
STYLE = Style(write="put({x}[:, :, {rows}], {v})")
SPACE = numpy_space()
exec(HELPER, SPACE)

def build(programs, variant):
    functions = [STYLE.views(p).function(SPACE) for p in programs]
    return lambda calls: [f(*buffers) for f, buffers in zip(functions, calls)]

def script(p, variant):
    return script_text(p, HELPER + INDEX_COPY + "\n\n" + STYLE.views(p).source, "", "p0(*buffers(run))", "np.__version__")

serve_programs(build, "upwards", "1", ["U8", "I32"], "cpu", at_once=32, script=script, grammar=int(sys.argv[1]))
`

// upwardsWorker returns a Python that has numpy, and the file of the worker upwards.
func upwardsWorker(t *testing.T) (python, file string) {
	if testing.Short() {
		t.Skip("runs Python")
	}
	for _, p := range []string{"python3", "/usr/bin/python3"} {
		if exec.CommandContext(t.Context(), p, "-c", "import numpy").Run() == nil {
			python = p
			break
		}
	}
	if python == "" {
		lacks(t, "python", "no python3 has numpy; on Debian: apt-get install python3-numpy")
	}
	readKit(t)
	path, err := filepath.Abs(kit)
	require.NoError(t, err)
	t.Setenv("PYTHONPATH", path)
	t.Setenv("PYTHONDONTWRITEBYTECODE", "1")
	file = filepath.Join(t.TempDir(), "upwards.py")
	require.NoError(t, os.WriteFile(file, []byte(upwards), 0o644))
	return python, file
}

// An index of no rows has no type in most frameworks, and is never printed.
func TestKitIndexOfNoRows(t *testing.T) {
	python, file := upwardsWorker(t)
	text := strings.NewReplacer(
		`Style(write="put({x}[:, :, {rows}], {v})")`,
		`Style(gather="{a}[:, :, np.array({index})]", scatter="{x}[:, :, np.array({index})] = {v}", mask="{x}[:, :, np.array([i for i, m in enumerate({mask}) if m])] = {v}", index_copy="index_copy({a}, np.array({index}), {b})")`,
		"exec(HELPER, SPACE)", "exec(INDEX_COPY, SPACE)",
	).Replace(upwards)
	for _, way := range []string{"views", "values"} {
		require.NoError(t, os.WriteFile(file, []byte(strings.Replace(text, "STYLE.views(p).function", "STYLE."+way+"(p).function", 1)), 0o644))
		const empty = `slidefuzz case v1
shape batch=1 heads=1 window=1 dim=2 dtype=U8 layout=heads-first
target program/worker
block 1
schedule native
buffer x 3
x[0:1] = cat(gather(x[0:2], []), gather(cat(x[0:2], x[0:2]), [3]))
x[[]] = gather(x[0:2], [])
x[1:3] = index_copy(x[0:2], [], gather(x[0:3], []))
x[mask 000] = gather(x[0:2], [])
`
		status, stdout, stderr := call(t, empty, "replay", "--exec", python+" "+file+" 2", "-")
		require.Equal(t, exitOK, status, stdout+stderr)
		require.Contains(t, stdout, "agrees with the oracle", way)
	}
}

// What dies among others alone has a report whose case has all of them, and which replays
// as expected. It has no script, which would show nothing.
func TestKitDiesAmongOthers(t *testing.T) {
	python, file := upwardsWorker(t)
	text := strings.Replace(upwards, "    functions = ", "    if len(programs) > 5: sys.exit(9)\n    functions = ", 1)
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	dir := t.TempDir()
	worker := python + " " + file + " 1"
	status, stdout, _ := call(t, "", "hunt", "--exec", worker, "--seed", "1", "--cases", "8", "--jobs", "1", "--shape", "dtype=U8", "-o", dir)
	require.Equal(t, exitUnexpected, status, stdout)
	require.Regexp(t, `crash: .*\(exit status 9\).*; among 6 programs run together: without any one of them it was not seen; wrong in 20 of 20 runs\n`, stdout)
	pages, err := filepath.Glob(filepath.Join(dir, "*", "README.md"))
	require.NoError(t, err)
	scripts := map[bool]int{}
	for _, name := range pages {
		page, err := os.ReadFile(name)
		require.NoError(t, err)
		_, err = os.Stat(filepath.Join(filepath.Dir(name), "repro.py"))
		among := strings.Contains(string(page), "# program/worker: programs together (crash)")
		require.Equal(t, among, errors.Is(err, fs.ErrNotExist), "%s", page)
		scripts[among]++
		if among {
			require.Contains(t, string(page), "# 20 of 20 runs failed\n")
			require.Contains(t, string(page), "The smallest shape at which it was seen to fail: 6 programs together, the first of them with ")
			require.Contains(t, string(page), "**Found:** crash at several programs together: ")
			require.Contains(t, string(page), "The worker failed at 6 programs that it was given in one request")
			file := filepath.Join(filepath.Dir(name), "case.txt")
			status, stdout, _ := call(t, "", "replay", "--exec", worker, "--times", "3", file)
			require.Equal(t, exitOK, status, stdout)
			require.Contains(t, stdout, "; as expected (3 of 3 runs diverged)\n")
			status, stdout, stderr := call(t, "", "minimize", "--exec", worker, "--shrink-time", "10s", file)
			require.Equal(t, exitOK, status, stderr)
			require.Equal(t, 5, strings.Count(stdout, "\nbeside\n"), stdout)
			require.Equal(t, 6, strings.Count(stdout, "\nshape batch=1 heads=1 window=1 dim=1 "), stdout)
			require.Equal(t, 6, strings.Count(stdout, " = "), "a statement each: %s", stdout)
			require.Contains(t, stderr, "6 programs together, the first: buffer ")
			again := t.TempDir()
			status, stdout, _ = call(t, "", "report", "--exec", worker, "-o", again, file)
			require.Equal(t, exitOK, status, stdout)
			require.NoFileExists(t, filepath.Join(again, "repro.py"))
		}
	}
	require.Equal(t, 1, scripts[true])
	require.Positive(t, scripts[false], "what is wrong alone has one")
}

// Programs of one text have other buffers: what was compiled for one is not run for the other.
func TestKitSameText(t *testing.T) {
	python, file := upwardsWorker(t)
	cases := []string{"x 2", "x 2\nbuffer y 1"}
	for i, buffers := range cases {
		cases[i] = filepath.Join(t.TempDir(), "case.txt")
		text := "slidefuzz case v1\nshape batch=1 heads=1 window=1 dim=1 dtype=U8 layout=heads-first\ntarget program/worker\nblock 1\nschedule native\nbuffer " + buffers + "\nx[0:1] = x[1:2]\nexpect ok\n"
		require.NoError(t, os.WriteFile(cases[i], []byte(text), 0o644))
	}
	status, out, stderr := call(t, "", append([]string{"replay", "--exec", python + " " + file + " 1"}, cases...)...)
	assert.Equal(t, 0, status, out+stderr)
}

// A compiler's finding has a script that shows it without slidefuzz, of either grammar, and
// exits with 1 as long as the fault is there, as git bisect run wants it.
func TestKitScripts(t *testing.T) {
	python, file := upwardsWorker(t)
	for _, grammar := range []string{"1", "2"} {
		dir := t.TempDir()
		status, out, stderr := call(t, "", "hunt", "--seed", "1", "--cases", "320", "--jobs", "1", "--exec", python+" "+file+" "+grammar, "-o", dir)
		require.Equal(t, 1, status, out+stderr)
		script := filepath.Join(dir, "program_worker-1", "repro.py")
		require.FileExists(t, script, "grammar %s", grammar)
		cmd := exec.CommandContext(t.Context(), python, script)
		printed, _ := cmd.CombinedOutput()
		require.Equal(t, 1, cmd.ProcessState.ExitCode(), "%s", printed)
		assert.Contains(t, string(printed), "wrong in 20 of 20 runs", "grammar %s", grammar)
	}
}

// A script of a program in I32 has cells whose sums wrap round: what saturates there is wrong.
func TestKitScriptsOverflow(t *testing.T) {
	python, _ := upwardsWorker(t)
	cmd := exec.CommandContext(t.Context(), python, "-c", `import dataclasses
from slidefuzz_worker.programs import parse, script_text
p = dataclasses.replace(parse("buffer x 2\nx[0:1] += x[1:2]"), dim=8, dtype="I32")
code = """def p0(x):
    x[:, :, 0:1] = np.clip(x[:, :, 0:1].astype(np.int64) + x[:, :, 1:2], -2**31, 2**31 - 1)
    return [x]
"""
exec(script_text(p, code, "", "p0(*buffers(run))", "np.__version__"))
`)
	printed, _ := cmd.CombinedOutput()
	require.Equal(t, 1, cmd.ProcessState.ExitCode(), "%s", printed)
	assert.Contains(t, string(printed), "wrong in 20 of 20 runs")
}

// A script counts cells in the right number.
func TestKitScriptsCount(t *testing.T) {
	python, _ := upwardsWorker(t)
	for cells, want := range map[string]string{"0:1": "1 wrong cell", "0:2": "2 wrong cells"} {
		cmd := exec.CommandContext(t.Context(), python, "-c", `import dataclasses
from slidefuzz_worker.programs import parse, script_text
p = dataclasses.replace(parse("buffer x 2\nx[0:1] = x[0:1]"), dim=8, dtype="I32")
code = """def p0(x):
    x[0, 0, 0, `+cells+`] += 1
    return [x]
"""
exec(script_text(p, code, "", "p0(*buffers(run))", "np.__version__"))
`)
		printed, _ := cmd.CombinedOutput()
		require.Equal(t, 1, cmd.ProcessState.ExitCode(), "%s", printed)
		assert.Contains(t, string(printed), "run 0: "+want+"\n")
	}
}

// The page leads to the example, and has all of it, in under 40 lines.
func TestWorkersPage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "workers.md"))
	require.NoError(t, err)
	example, err := os.ReadFile(filepath.Join(kit, "examples", "ring_cache.py"))
	require.NoError(t, err)
	assert.Contains(t, string(page), "```python\n"+string(example)+"```\n")
	assert.Less(t, strings.Count(string(example), "\n"), 40)
}

// Inductor has as many processes to compile as its worker has threads, which it is told
// before torch is imported.
func TestTorchCompilesInItsThreads(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		lacks(t, "python", "no python3")
	}
	readKit(t)
	torch := t.TempDir() // which ends with what it was told
	text := "import os\nraise SystemExit(os.environ.get('TORCHINDUCTOR_COMPILE_THREADS', 'nothing'))\n"
	require.NoError(t, os.WriteFile(filepath.Join(torch, "torch.py"), []byte(text), 0o600))
	t.Setenv("TORCHINDUCTOR_COMPILE_THREADS", "")
	os.Unsetenv("TORCHINDUCTOR_COMPILE_THREADS")
	for _, x := range []struct{ threads, own, want string }{
		{"3", "", "3"},
		{"3", "5", "5"},
		{"4,2", "", "4"}, // what OpenMP takes and Inductor does not
		{"", "", "nothing"},
	} {
		cmd := exec.CommandContext(t.Context(), python, filepath.Join(kit, "torch_programs.py"))
		cmd.Env = append(os.Environ(), "PYTHONPATH="+torch, "OMP_NUM_THREADS="+x.threads)
		if x.own != "" {
			cmd.Env = append(cmd.Env, "TORCHINDUCTOR_COMPILE_THREADS="+x.own)
		}
		said, _ := cmd.CombinedOutput() // its exit status is 1
		assert.Equal(t, x.want, strings.TrimSpace(string(said)))
	}
}
