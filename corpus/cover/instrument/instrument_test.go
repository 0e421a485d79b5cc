package instrument

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus/cover"
)

// A module with a fuzz target that does all that a target may do.
var files = map[string]string{
	"go.mod": "module example.com/target\n\ngo 1.26\n",
	"target.go": `package target

import "time"

func Step(b byte) int {
	switch b {
	case 'p':
		var none []int
		return none[int(b)]
	case 'h':
		time.Sleep(time.Hour)
	case 'x':
		return 1
	case 'y':
		return 2
	}
	return 0
}
`,
	// Names of its own that an import of the harness must not meet, a TestMain,
	// seeds, and a test package of its own.
	"target_test.go": `package target_test

import (
	"fmt"
	"os"
	"testing"

	"example.com/target"
)

var bytes, coverage, sync = 1, 2, 3

func TestMain(m *testing.M) { os.Exit(m.Run()) }

func FuzzSteps(f *testing.F) {
	f.Add([]byte("seed"), 3)
	f.Fuzz(func(t *testing.T, in []byte, n int) {
		t.Parallel()
		fmt.Println("noise", bytes, coverage, sync)
		for _, b := range in {
			if got := target.Step(b); got > n {
				t.Logf("step %d", got)
				t.Errorf("%d is too much", got)
			}
			if b == 'e' {
				os.Exit(0)
			}
		}
	})
}

func FuzzNever(f *testing.F) {
	f.Skip("not here")
	f.Fuzz(func(t *testing.T, in []byte) {})
}
`,
}

// inModule makes the module and goes there.
func inModule(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	t.Chdir(dir)
	t.Setenv("GOWORK", "off")
	t.Setenv("GOFLAGS", "")
}

// covered are the places that an input covered, without the folder.
func covered(p *Program, s cover.Seen) (all []string) {
	for _, b := range s.Blocks {
		all = append(all, strings.TrimPrefix(p.Meta().Place(b), "example.com/target/target.go:"))
	}
	return all
}

// A target of anybody's: what each input covers and how it fails, with panics,
// hangs and exits between, in the order of the inputs.
func TestFuzzTarget(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a program with counters")
	}
	inModule(t)
	target, err := FindTarget(t.Context(), ".FuzzSteps")
	require.NoError(t, err)
	p, err := target.Build(t.Context(), "")
	require.NoError(t, err)
	defer p.Close()
	inputs := [][]any{
		{[]byte("x"), 9}, {[]byte("p"), 9}, {[]byte(""), 9}, {[]byte("h"), 9}, {[]byte("y"), 9}, {[]byte("e"), 9}, {[]byte("y"), 1}, {[]byte("x"), 9}, {[]byte("p"), 9},
	}
	seen, err := p.Run(t.Context(), inputs, 3*time.Second)
	require.NoError(t, err)
	require.Len(t, seen, len(inputs))
	const start, x, y, end = "5.23,6.11", "12.11,13.11", "14.11,15.11", "17.2,17.10"
	require.Equal(t, []string{start, x}, covered(p, seen[0]))
	require.Empty(t, seen[0].Failures)
	require.Equal(t, []string{start, "7.11,9.22"}, covered(p, seen[1]), "read in a panic too")
	require.Len(t, seen[1].Failures, 1)
	require.Regexp(t, `^panic at .*/target.go:9$`, seen[1].Failures[0])
	require.Empty(t, covered(p, seen[2]), "nothing is left of the input before, nor of the seeds")
	require.Empty(t, seen[2].Failures)
	require.Equal(t, []string{"hangs"}, seen[3].Failures)
	require.Equal(t, []string{start, y}, covered(p, seen[4]))
	require.Equal(t, []string{"ends the process"}, seen[5].Failures)
	require.Equal(t, []string{start, y}, covered(p, seen[6]))
	require.Equal(t, []string{"fails at target_test.go:22, target_test.go:23"}, seen[6].Failures)
	require.Equal(t, seen[0], seen[7])
	require.Equal(t, seen[1], seen[8])
	require.NotContains(t, covered(p, seen[4]), end)

	left, err := filepath.Glob("*")
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"go.mod", "target.go", "target_test.go"}, left, "the package is as it was")

	_, err = p.Run(t.Context(), [][]any{{"a string"}}, time.Minute)
	require.ErrorContains(t, err, "did not run input 1", "arguments of other types")
}

// A target that does not come to f.Fuzz covers nothing of its inputs: an error.
func TestTargetThatSkips(t *testing.T) {
	if testing.Short() {
		t.Skip("builds another program")
	}
	inModule(t)
	target, err := FindTarget(t.Context(), "FuzzNever")
	require.NoError(t, err)
	p, err := target.Build(t.Context(), "")
	require.NoError(t, err)
	defer p.Close()
	_, err = p.Run(t.Context(), [][]any{{[]byte("a")}, {[]byte("b")}}, time.Minute)
	require.ErrorContains(t, err, "it must reach f.Fuzz")
}

func TestFindTarget(t *testing.T) {
	inModule(t)
	for name, says := range map[string]string{
		".FuzzOther":       "it has FuzzSteps, FuzzNever",
		"./none.FuzzSteps": "none",
		"./none":           "names no fuzz target",
	} {
		_, err := FindTarget(t.Context(), name)
		require.ErrorContains(t, err, says, name)
	}
	t.Setenv("PATH", "")
	_, err := FindTarget(t.Context(), "FuzzSteps")
	var missing *MissingError
	require.ErrorAs(t, err, &missing)
}

// Case files: one that fails, one that agrees, and what else they cover.
func TestCases(t *testing.T) {
	if testing.Short() {
		t.Skip("builds another program")
	}
	const text = "slidefuzz case v1\nshape batch=1 heads=1 window=2 dim=1 dtype=F32 layout=heads-first\ntarget %s\nblock 1\nschedule descending\nappend 2\nappend 1\n"
	p, err := BuildCases(t.Context(), "")
	require.NoError(t, err)
	defer p.Close()
	var inputs [][]any
	for _, target := range []string{"roll/drop-war/sim", "roll/fused/sim", "go/ring"} {
		inputs = append(inputs, []any{[]byte(strings.Replace(text, "%s", target, 1)), int64(0)})
	}
	seen, err := p.Run(t.Context(), inputs, time.Minute)
	require.NoError(t, err)
	require.Equal(t, []string{"roll/drop-war/sim: append, rows of keys, WAR"}, seen[0].Failures)
	require.Empty(t, seen[1].Failures)
	inCaches := 0
	for _, b := range seen[2].Blocks {
		if strings.Contains(p.Meta().Place(b), "/impls/caches/") {
			inCaches++
		}
	}
	require.Positive(t, inCaches)

	_, err = p.Run(t.Context(), [][]any{{[]byte(strings.Replace(text, "%s", "roll/fused/opencl", 1)), int64(0)}}, time.Minute)
	require.ErrorContains(t, err, "opencl")
}

// Elsewhere the source is missing, and that is said.
func TestCasesWithoutSource(t *testing.T) {
	inModule(t)
	_, err := BuildCases(t.Context(), "")
	var missing *MissingError
	require.ErrorAs(t, err, &missing)
	require.ErrorContains(t, err, "source of slidefuzz")
}
