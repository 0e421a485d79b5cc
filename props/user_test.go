package props_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// userModule is a module of a user's own, outside of this one, with the ring of
// testdata/user.
type userModule struct{ dir string }

func newUserModule(t *testing.T) *userModule {
	t.Helper()
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip("the go command is missing")
	}
	root, err := filepath.Abs("..")
	require.NoError(t, err)
	m := &userModule{t.TempDir()}
	text, err := os.ReadFile(filepath.Join(root, "go.mod"))
	require.NoError(t, err)
	// The same versions of everything, so that nothing is downloaded.
	mod := strings.Replace(string(text), "module github.com/slidefuzz/slidefuzz", "module example.com/ring", 1)
	mod = regexp.MustCompile(`(?ms)^tool (\(.*?^\)|[^\n]*)`).ReplaceAllString(mod, "")
	mod += fmt.Sprintf("\nrequire github.com/slidefuzz/slidefuzz v0.0.0\nreplace github.com/slidefuzz/slidefuzz => %s\n", root)
	m.write(t, "go.mod", mod)
	sum, err := os.ReadFile(filepath.Join(root, "go.sum"))
	require.NoError(t, err)
	m.write(t, "go.sum", string(sum))
	ring, err := os.ReadFile(filepath.Join("testdata", "user", "ring.txt"))
	require.NoError(t, err)
	m.write(t, "ring_test.go", string(ring))
	m.write(t, "mine_test.go", `package ring

import (
	"testing"

	"github.com/slidefuzz/slidefuzz/props"
)

func TestRing(t *testing.T) {
	props.TestCache(t, newRing, props.Chunks())
}

func FuzzRing(f *testing.F) { props.FuzzCache(f, newRing, props.Chunks()) }
`)
	return m
}

func (m *userModule) write(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(m.dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

// offBy makes the ring wrap so many rows early.
func (m *userModule) offBy(t *testing.T, n int) {
	t.Helper()
	m.write(t, "fault_test.go", fmt.Sprintf("package ring\n\nconst offByOne = %d\n", n))
}

// run runs a command in the module, and returns what it prints and whether it ended
// with 0.
func (m *userModule) run(t *testing.T, name string, args ...string) (string, bool) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = m.dir
	cmd.Env = append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off", "SLIDEFUZZ_SEED=", "SLIDEFUZZ_CASES=")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return out.String(), err == nil
}

// The way of a user whose ring wraps one row early, in a module of his own: the test
// fails, what it prints pastes into a test that fails too, the artifacts have the case
// and its report, the line that it prints keeps the case, which then fails first and
// passes once the ring is mended, and native fuzzing finds the fault too.
func TestUsersOwnCache(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a module of its own")
	}
	if runtime.GOOS == "windows" {
		t.Skip("the lines that are printed are for a shell")
	}
	m := newUserModule(t)
	m.offBy(t, 0)
	out, ok := m.run(t, "go", "test", "-run", "^TestRing$", "-v")
	require.True(t, ok, "a sound ring: %s", out)
	require.NotContains(t, out, "Kept")

	m.offBy(t, 1)
	out, ok = m.run(t, "go", "test", "-run", "^TestRing$", "-artifacts", "-slidefuzz.seed=1")
	require.False(t, ok, "%s", out)
	call := regexp.MustCompile(`\tprops\.ReplayCache\(t, newRing, .*\)\n`).FindString(out)
	require.NotEmpty(t, call, "%s", out)
	require.NotContains(t, out, "hint:", "the ring is wrong under any promise")

	// What it prints is a test that fails.
	m.write(t, "pasted_test.go", "package ring\n\nimport (\n\t\"testing\"\n\n\t\"github.com/slidefuzz/slidefuzz/props\"\n)\n\nfunc TestPasted(t *testing.T) {\n"+call+"}\n")
	pasted, ok := m.run(t, "go", "test", "-run", "^TestPasted$")
	require.False(t, ok)
	sentence := regexp.MustCompile(`op \d+ \(append\), keys returned: lane \d+ row \d+ holds [^;\n]*`)
	require.Equal(t, sentence.FindString(out), sentence.FindString(pasted), "%s", pasted)

	// The artifacts.
	dir := strings.TrimSpace(regexp.MustCompile(`its report: (.*)\n`).FindStringSubmatch(out)[1])
	for _, name := range []string{"case.txt", "README.md", "report.html"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		require.NotEmpty(t, text, name)
	}
	page, err := os.ReadFile(filepath.Join(dir, "README.md"))
	require.NoError(t, err)
	require.Contains(t, string(page), strings.TrimSpace(call))

	// The line that keeps the case.
	keep := regexp.MustCompile(`\n\s*(mkdir -p testdata/slidefuzz/TestRing && cp .*)\n`).FindStringSubmatch(out)
	require.NotNil(t, keep, "%s", out)
	_, ok = m.run(t, "sh", "-c", keep[1])
	require.True(t, ok)
	out, ok = m.run(t, "go", "test", "-run", "^TestRing$", "-v")
	require.False(t, ok)
	require.Regexp(t, `--- FAIL: TestRing/Kept/rows-[0-9a-f]{8}`, out)
	require.Less(t, strings.Index(out, "=== RUN   TestRing/Kept/rows-"), strings.Index(out, "=== RUN   TestRing/Oracle"))

	// Without -artifacts the line holds the case itself.
	require.NoError(t, os.RemoveAll(filepath.Join(m.dir, "testdata")))
	out, ok = m.run(t, "go", "test", "-run", "^TestRing$/^Oracle$", "-slidefuzz.seed=2")
	require.False(t, ok)
	keep = regexp.MustCompile(`\n\s*(mkdir -p testdata/slidefuzz/TestRing && echo .*)\n`).FindStringSubmatch(out)
	require.NotNil(t, keep, "%s", out)
	_, ok = m.run(t, "sh", "-c", keep[1])
	require.True(t, ok)
	out, ok = m.run(t, "go", "test", "-run", "^TestRing$/^Kept$")
	require.False(t, ok, "%s", out)

	// Native fuzzing finds it without seeds, and its failure is a call to paste.
	m.write(t, "pasted_test.go", "package ring\n")
	worst := 0
	for seed := 1; seed <= 3; seed++ {
		cmd := fmt.Sprintf("SLIDEFUZZ_NO_SEEDS=1 GODEBUG=fuzzseed=%d go test -run '^$' -fuzz '^FuzzRing$' -fuzztime 2000x -parallel 1 -test.fuzzcachedir \"$(mktemp -d)\"", seed)
		out, ok = m.run(t, "sh", "-c", cmd)
		require.False(t, ok, "%s", out)
		found := regexp.MustCompile(`at execution (\d+) of this process`).FindStringSubmatch(out)
		require.NotNil(t, found, "%s", out)
		n, err := strconv.Atoi(found[1])
		require.NoError(t, err)
		worst = max(worst, n)
		require.Regexp(t, `\tprops\.ReplayCache\(t, newRing, ".*", props\.Chunks\(\)\)\n`, out)
		require.NoError(t, os.RemoveAll(filepath.Join(m.dir, "testdata", "fuzz")))
	}
	t.Logf("fuzzing: found within %d executions", worst)

	// Once the ring is mended the kept case passes, and all else.
	m.offBy(t, 0)
	out, ok = m.run(t, "go", "test", "-v")
	require.True(t, ok, "%s", out)
	require.Regexp(t, `--- PASS: TestRing/Kept/rows-[0-9a-f]{8}`, out)
}
