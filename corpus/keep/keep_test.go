package keep

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

func parse(t *testing.T, text string) *corpus.Case {
	t.Helper()
	c, err := corpus.Parse("case", []byte(text), 0)
	require.NoError(t, err)
	return c
}

func agreed(t *testing.T, ops string) *corpus.Case {
	return parse(t, "slidefuzz case v1\nshape batch=1 heads=1 window=2 dim=1 dtype=U8 layout=heads-first\ntarget worker/a:b\nblock 1\nschedule native\n"+ops+"expect ok\n")
}

func failing(t *testing.T, ops, expect string) *corpus.Case {
	return parse(t, "slidefuzz case v1\nshape batch=1 heads=1 window=2 dim=1 dtype=U8 layout=heads-first\ntarget worker/a:b\nblock 1\nschedule native\n"+ops+"expect "+expect+"\n")
}

func open(t *testing.T, dir string) (*Target, *[]error) {
	t.Helper()
	var said []error
	f, err := Open(dir, 0, func(err error) { said = append(said, err) })
	require.NoError(t, err)
	x, err := f.Of(window.WorkerTarget("a:b"))
	require.NoError(t, err)
	return x, &said
}

func texts(cases []*corpus.Case) (all []string) {
	for _, c := range cases {
		all = append(all, string(c.Text()))
	}
	return all
}

func oneKind(*corpus.Case) string { return "" }

// Of each kind of a failure the best case and the last one stay, of no more kinds than that beside
// what the hunt finds.
func TestFolderKeepsKinds(t *testing.T) {
	dir := t.TempDir()
	x, _ := open(t, dir)
	// A case of a kind has so many operations.
	kind := func(c *corpus.Case) string { return strconv.Itoa(len(c.Ops)) }
	of := func(ops, rows int) *corpus.Case {
		return failing(t, strings.Repeat(fmt.Sprintf("append %d\n", rows), ops), "op=1 tensor=keys hazard=none")
	}
	failure := corpus.Failure{Target: of(1, 1).Target, OpKind: "append", Tensor: "keys", Fault: corpus.FaultRows}
	kept := func() []string {
		again, _ := open(t, dir)
		k, err := again.Kept()
		require.NoError(t, err)
		return texts(k.Failures)
	}
	// An older release left two of one failure, whatever their kinds.
	for _, c := range []*corpus.Case{of(1, 3), of(2, 1)} {
		require.NoError(t, x.Failed(c, failure, oneKind))
	}
	for _, c := range []*corpus.Case{of(1, 1), of(2, 3), of(1, 2), of(3, 1)} {
		require.NoError(t, x.Failed(c, failure, kind))
	}
	assert.ElementsMatch(t, texts([]*corpus.Case{of(1, 1), of(1, 2), of(2, 1), of(2, 3), of(3, 1)}), kept())

	for n := range mostKinds + 5 {
		require.NoError(t, x.Failed(of(n+1, 1), failure, kind))
	}
	assert.Equal(t, mostKinds+5, len(kept()), "the hunt prints them")
	y, _ := open(t, dir)
	require.NoError(t, y.Failed(of(mostKinds+9, 1), failure, kind))
	all := kept()
	assert.Equal(t, mostKinds+1, len(all))
	assert.True(t, slices.Contains(all, string(of(mostKinds+9, 1).Text())))
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	x, said := open(t, dir)
	one, two := agreed(t, "append 1\n"), agreed(t, "append 2\n")
	for _, c := range []*corpus.Case{one, two, one} {
		require.NoError(t, x.Agreed(c))
	}
	failure := corpus.Failure{Target: one.Target, OpKind: "append", Tensor: "keys", Fault: corpus.FaultRows}
	large, small := failing(t, "append 3\nappend 1\n", "op=2 tensor=keys hazard=none"), failing(t, "append 1\nappend 1\n", "op=2 tensor=keys hazard=none")
	seldom := failing(t, "append 1\n", "op=1 tensor=keys hazard=none rate=3/100")
	for _, c := range []*corpus.Case{large, seldom, small} {
		require.NoError(t, x.Failed(c, failure, oneKind))
	}
	other := failure
	other.Tensor = "values"
	require.NoError(t, x.Failed(seldom, other, oneKind))

	again, _ := open(t, dir)
	k, err := again.Kept()
	require.NoError(t, err)
	assert.ElementsMatch(t, texts([]*corpus.Case{one, two}), texts(k.Cases))
	assert.ElementsMatch(t, texts([]*corpus.Case{small, seldom}), texts(k.Failures), "of one failure, the one that fails each time and is the smallest")

	// Another hunt's case stays, what failed too.
	three := agreed(t, "append 3\n")
	require.NoError(t, x.Agreed(three))
	require.NoError(t, again.Only([]*corpus.Case{two}))
	k, err = again.Kept()
	require.NoError(t, err)
	assert.ElementsMatch(t, texts([]*corpus.Case{two, three}), texts(k.Cases))
	assert.Len(t, k.Failures, 2)

	// What was found last stays too, for the best may have been mended.
	require.NoError(t, x.Failed(large, failure, oneKind))
	k, err = again.Kept()
	require.NoError(t, err)
	assert.ElementsMatch(t, texts([]*corpus.Case{small, large, seldom}), texts(k.Failures))
	assert.Empty(t, *said)
	assert.NotContains(t, x.dir, ":")
}

// What is no case is left out and said; what was left half-written goes once it is old.
func TestFolderOfOthers(t *testing.T) {
	x, said := open(t, t.TempDir())
	require.NoError(t, os.WriteFile(filepath.Join(x.dir, "case-0.txt"), []byte("slidefuzz case v9\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(x.dir, "notes.md"), nil, 0o644))
	for name, age := range map[string]time.Duration{".case-1.txt.5": 0, ".failure-2-3.txt.6": 2 * time.Hour, ".gitkeep": 2 * time.Hour} {
		path := filepath.Join(x.dir, name)
		require.NoError(t, os.WriteFile(path, nil, 0o644))
		require.NoError(t, os.Chtimes(path, time.Time{}, time.Now().Add(-age)))
	}
	k, err := x.Kept()
	require.NoError(t, err)
	assert.Empty(t, k.Cases)
	require.Len(t, *said, 1)
	assert.Contains(t, (*said)[0].Error(), "case-0.txt:1:")
	assert.FileExists(t, filepath.Join(x.dir, ".case-1.txt.5"))
	assert.NoFileExists(t, filepath.Join(x.dir, ".failure-2-3.txt.6"))
	assert.FileExists(t, filepath.Join(x.dir, ".gitkeep"), "no hunt has written it")
}

// A case of another target is left out and said, whatever it was kept for; one of a
// variant of a worker's programs is of the same target.
func TestFolderHasOneTarget(t *testing.T) {
	x, said := open(t, t.TempDir())
	own := agreed(t, "append 1\n")
	require.NoError(t, x.Agreed(own))
	other := agreed(t, "append 2\n")
	other.Target = window.WorkerTarget("b")
	require.NoError(t, other.WriteFile(filepath.Join(x.dir, "case-2.txt")))
	failed := failing(t, "append 1\nappend 1\n", "op=2 tensor=keys hazard=none")
	failed.Target = window.WorkerTarget("b")
	require.NoError(t, failed.WriteFile(filepath.Join(x.dir, "failure-3-4.txt")))
	k, err := x.Kept()
	require.NoError(t, err)
	assert.Equal(t, texts([]*corpus.Case{own}), texts(k.Cases))
	assert.Empty(t, k.Failures)
	require.Len(t, *said, 2)
	assert.Contains(t, (*said)[0].Error(), "case-2.txt: a case of worker/b in the folder of worker/a:b")
	require.NoError(t, x.Only(nil))
	assert.FileExists(t, filepath.Join(x.dir, "case-2.txt"), "what is not this target's is not dropped")

	programs := window.Target{Update: "program", Device: window.Worker}
	y, err := x.folder.Of(programs)
	require.NoError(t, err)
	scan := parse(t, "slidefuzz case v1\nshape batch=1 heads=1 window=1 dim=1 dtype=U8 layout=heads-first\ntarget program/worker/scan\nblock 1\nschedule native\nbuffer x 2\nx[0:1] = x[1:2]\nexpect op=1 tensor=x hazard=none\n")
	require.NoError(t, y.Failed(scan, corpus.Failure{Target: scan.Target, OpKind: "statement", Tensor: "x", Fault: corpus.FaultRows}, oneKind))
	k, err = y.Kept()
	require.NoError(t, err)
	assert.Equal(t, texts([]*corpus.Case{scan}), texts(k.Failures))
	assert.Len(t, *said, 2)
}
