package props_test

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/props"
)

// constructor is what TestCache is given.
type constructor = func(*testing.T, impls.Shape) (impls.Cache, error)

// altered is a list cache with another Update.
type altered struct {
	*listCache
	update func(c *listCache, keys, values impls.Tensor) (impls.Tensor, impls.Tensor, error)
}

func (a *altered) Update(keys, values impls.Tensor) (impls.Tensor, impls.Tensor, error) {
	return a.update(a.listCache, keys, values)
}

func alter(update func(c *listCache, keys, values impls.Tensor) (impls.Tensor, impls.Tensor, error)) constructor {
	return func(_ *testing.T, s impls.Shape) (impls.Cache, error) {
		c := &listCache{shape: s}
		c.Reset()
		return &altered{c, update}, nil
	}
}

var errNo = errors.New("no")

// refusing is a list cache that refuses some chunks of q tokens, after n others in the
// window that it took; changes says that it stores them all the same.
func refusing(changes bool, refuse func(n, q, window int) bool) constructor {
	return func(t *testing.T, s impls.Shape) (impls.Cache, error) {
		taken := 0
		return alter(func(c *listCache, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
			if c.keys.Rows == 0 { // it was reset
				taken = 0
			}
			no := refuse(taken, keys.Rows, c.shape.Window)
			if !no || changes {
				k, v, err = c.Update(keys, values)
			}
			if no {
				return k, v, errNo
			}
			if err == nil {
				taken = min(taken+keys.Rows, c.shape.Window)
			}
			return k, v, err
		})(t, s)
	}
}

func kind(f corpus.Feature) func(n, q, window int) bool {
	return func(n, q, window int) bool { return q != 1 && corpus.ChunkKind(n, q, window) == f }
}

func plusOne(window int) int            { return window + 1 }
func overPlusOne(_, q, window int) bool { return q > window+1 }

func overPlusTwo(_, q, window int) bool { return q > window+2 }
func crosses(n, q, window int) bool     { return q > 1 && n+q > window }

// only is a list cache of some shapes, the constructor refuses the others.
func only(takes func(impls.Shape) bool) constructor {
	return func(t *testing.T, s impls.Shape) (impls.Cache, error) {
		if !takes(s) {
			return nil, errNo
		}
		return newListCache(t, s)
	}
}

// wrongOn is a list cache that returns and stores zeros in some shapes.
func wrongOn(bad func(impls.Shape) bool) constructor {
	return alter(func(c *listCache, keys, values impls.Tensor) (impls.Tensor, impls.Tensor, error) {
		k, v, err := c.Update(keys, values)
		if bad(c.shape) {
			clear(k.Data)
		}
		return k, v, err
	})
}

// unguarded takes chunks of any shape, without a look at them.
func unguarded(keep func(keys, own impls.Shape) bool) constructor {
	return alter(func(c *listCache, keys, values impls.Tensor) (impls.Tensor, impls.Tensor, error) {
		s := impls.Shape{Batch: keys.Batch, Heads: keys.Heads, Window: c.shape.Window, Dim: keys.Dim, DType: keys.DType, Layout: c.shape.Layout}
		if s != c.shape && keep(s, c.shape) {
			return keys, values, nil
		}
		return c.Update(keys, values)
	})
}

type neverReset struct{ *listCache }

func (neverReset) Reset() {}

type neverCropped struct{ *listCache }

func (neverCropped) Crop(int) error { return nil }

type neverRestored struct{ *listCache }

func (neverRestored) Snapshot(int) error { return nil }
func (neverRestored) Restore(int) error  { return nil }

func wrap(f func(*listCache) impls.Cache) constructor {
	return func(_ *testing.T, s impls.Shape) (impls.Cache, error) {
		c := &listCache{shape: s}
		c.Reset()
		return f(c), nil
	}
}

// ring is a cache whose rows stay where they are: the token at position p is in row
// p modulo its rows. refuse says which chunks of q tokens after n it does not take.
type ring struct {
	shape     impls.Shape
	rows, n   int
	refuse    func(n, q, window int) bool
	stored    [2]impls.Tensor
	positions []int
}

// newRing makes rings of so many windows.
func newRing(windows int, refuse func(n, q, window int) bool) constructor {
	return func(_ *testing.T, s impls.Shape) (impls.Cache, error) {
		r := &ring{shape: s, rows: windows * s.Window, refuse: refuse}
		r.Reset()
		return r, nil
	}
}

func (r *ring) Reset() {
	r.n, r.stored = 0, [2]impls.Tensor{impls.NewTensor(r.shape, r.rows), impls.NewTensor(r.shape, r.rows)}
	r.positions = slices.Repeat([]int{-1}, r.rows)
}

func (r *ring) Positions() [][]int { return [][]int{r.positions} }

func (r *ring) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	s, q := r.shape, keys.Rows
	if keys.Batch != s.Batch || keys.Heads != s.Heads || keys.Dim != s.Dim || keys.DType != s.DType || r.refuse(r.n, q, s.Window) {
		return k, v, errNo
	}
	for i, chunk := range [...]impls.Tensor{keys.Clone(s), values.Clone(s)} { // they may be rows of the ring
		for lane := range chunk.Lanes() {
			for row := range q {
				copy(r.stored[i].Row(lane, (r.n+row)%r.rows), chunk.Row(lane, row))
			}
		}
	}
	for p := r.n; p < r.n+q; p++ {
		r.positions[p%r.rows] = p
	}
	r.n += q
	return r.stored[0], r.stored[1], nil
}

// listed is a ring that gives so many lists of its positions, and no row that is
// right.
type listed struct {
	*ring
	lists int
}

func newListed(lists int) constructor {
	return func(_ *testing.T, s impls.Shape) (impls.Cache, error) {
		r := &ring{shape: s, rows: s.Window, refuse: crosses}
		r.Reset()
		return &listed{r, lists}, nil
	}
}

func (l *listed) Positions() [][]int {
	return append([][]int{}, slices.Repeat([][]int{l.positions}, l.lists)...)
}

func (l *listed) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	k, v, err = l.ring.Update(keys, values)
	if err != nil {
		return k, v, err
	}
	return impls.NewTensor(l.shape, l.rows), impls.NewTensor(l.shape, l.rows), nil
}

// noClose cannot be closed.
type noClose struct{ *listCache }

func (noClose) Close() error { return errNo }

// verdict is what TestCache says of a cache.
type verdict struct {
	cache   constructor
	options []props.Option
	// fails is what the failure says, "" where the test passes.
	fails string
}

// verdicts has each option, with caches that it spares and caches that only it
// catches.
func verdicts() map[string]verdict {
	with := func(o ...props.Option) []props.Option { return append(o, props.Chunks()) }
	all := map[string]verdict{
		"narrow contract": {newListCache, nil, "which must be refused"},
		"wider contract":  {newListCache, with(), ""},

		"all dtypes":   {wrongOn(func(s impls.Shape) bool { return s.DType == impls.U8 }), with(), "dtype=U8"},
		"other dtypes": {wrongOn(func(s impls.Shape) bool { return s.DType == impls.U8 }), with(props.DTypes(impls.F32, impls.BF16)), ""},
		"this dtype":   {wrongOn(func(s impls.Shape) bool { return s.DType == impls.F32 }), with(props.DTypes(impls.F32)), "dtype=F32"},
		"no dtype":     {newListCache, with(props.DTypes()), "want at least one"},

		"both layouts": {wrongOn(func(s impls.Shape) bool { return s.Layout == impls.TokensFirst }), with(), "layout=tokens-first"},
		"one layout":   {wrongOn(func(s impls.Shape) bool { return s.Layout == impls.TokensFirst }), with(props.Layouts(impls.HeadsFirst)), ""},

		"dims that are tried":     {wrongOn(func(s impls.Shape) bool { return s.Dim == 257 }), with(), ""},
		"a dim that is tried":     {wrongOn(func(s impls.Shape) bool { return s.Dim == 8 }), with(), "dim=8"},
		"a wrong dim":             {wrongOn(func(s impls.Shape) bool { return s.Dim == 8 }), with(props.Dims(4, 8)), "dim=8"},
		"dims refused":            {only(func(s impls.Shape) bool { return s.Dim == 8 }), with(), "making a cache"},
		"dims declared":           {only(func(s impls.Shape) bool { return s.Dim == 8 }), with(props.Dims(8)), ""},
		"dims refused by update":  {limitedUpdate(func(s impls.Shape) bool { return s.Dim == 8 }), with(props.Dims(8)), ""},
		"dims taken all the same": {newListCache, with(props.Dims(8)), "Dims leaves dim=9 out"},

		"multiples of 8 refused":           {only(multipleOf8), with(), "making a cache"},
		"multiples of 8 declared":          {only(multipleOf8), with(props.DimsMultipleOf(8)), ""},
		"multiples of 8 refused by update": {limitedUpdate(multipleOf8), with(props.DimsMultipleOf(8)), ""},
		"multiples of 8, all the same":     {newListCache, with(props.DimsMultipleOf(8)), "DimsMultipleOf leaves dim=9 out"},
		"multiples of 4 taken for 8":       {only(func(s impls.Shape) bool { return s.Dim%4 == 0 }), with(props.DimsMultipleOf(8)), "DimsMultipleOf leaves dim=12 out"},
		"a wrong multiple":                 {wrongOn(func(s impls.Shape) bool { return s.Dim == 24 }), with(props.DimsMultipleOf(8)), "dim=24"},
		"the last of Dims and multiples":   {only(func(s impls.Shape) bool { return s.Dim == 8 }), with(props.DimsMultipleOf(8), props.Dims(8)), ""},
		"multiples of 1":                   {newListCache, with(props.DimsMultipleOf(1)), ""},
		"multiples of nothing":             {newListCache, with(props.DimsMultipleOf(0)), "DimsMultipleOf: 0 is outside"},
		"a dim of nothing":                 {newListCache, with(props.Dims(0)), "Dims: 0 is outside"},

		"batches that are tried":     {wrongOn(func(s impls.Shape) bool { return s.Batch == 9 }), with(), ""},
		"a batch that is tried":      {wrongOn(func(s impls.Shape) bool { return s.Batch == 3 }), with(), "batch=3"},
		"a wrong batch":              {wrongOn(func(s impls.Shape) bool { return s.Batch == 3 }), with(props.Batches(1, 3)), "batch=3"},
		"batches refused":            {only(func(s impls.Shape) bool { return s.Batch == 1 }), with(), "making a cache"},
		"batches declared":           {only(func(s impls.Shape) bool { return s.Batch == 1 }), with(props.Batches(1)), ""},
		"batches taken all the same": {newListCache, with(props.Batches(1)), "Batches leaves batch=2 out"},

		"largest chunk unsaid":               {refusing(false, overPlusOne), with(), "refused"},
		"largest chunk declared":             {refusing(false, overPlusOne), with(props.LargestChunk(plusOne)), ""},
		"larger chunks taken all the same":   {newListCache, with(props.LargestChunk(plusOne)), "outside of the limits that are declared"},
		"larger chunks refused, but stored":  {refusing(true, overPlusOne), with(props.LargestChunk(plusOne)), "changed the cache"},
		"largest chunk of nothing":           {newListCache, with(props.LargestChunk(func(int) int { return 0 })), "want at least 1"},
		"largest chunk, the narrow contract": {newListCache, []props.Option{props.LargestChunk(plusOne)}, "which must be refused"},

		"ring of W rows":                   {newRing(1, crosses), with(props.Without("crossing", "long")), ""},
		"ring of W rows, unsaid":           {newRing(1, crosses), with(), "refused"},
		"ring of W rows without a guard":   {newRing(1, kind(corpus.LongChunks)), with(props.Without("long")), "no returned row holds position"},
		"ring of 2W rows":                  {newRing(2, overPlusOne), with(props.LargestChunk(plusOne)), ""},
		"ring of 2W rows, no room for W+2": {newRing(2, overPlusTwo), with(props.LargestChunk(func(window int) int { return window + 2 })), "no returned row holds position"},

		"positions of no entry":      {newListed(0), with(props.Without("crossing", "long")), "0 lists of positions for a batch of"},
		"positions of three entries": {newListed(3), with(props.Without("crossing", "long")), "3 lists of positions for a batch of"},
		"wrong rows after no crop":   {newListed(1), with(props.Without("crossing", "long")), "returned: lane 0 row 0 holds nothing"},

		"window 1 refused":            {only(func(s impls.Shape) bool { return s.Window > 1 }), with(), "making a cache"},
		"window 1 left out":           {only(func(s impls.Shape) bool { return s.Window > 1 }), with(props.Without("window-1")), ""},
		"window 1 taken all the same": {newListCache, with(props.Without("window-1")), "Without leaves window=1 out"},

		"odd chunks":            {unguarded(func(_, _ impls.Shape) bool { return true }), with(), "accepted"},
		"odd chunks left out":   {unguarded(func(_, _ impls.Shape) bool { return true }), with(props.Without("odd")), ""},
		"other batch":           {unguarded(func(s, own impls.Shape) bool { return s.Batch != own.Batch }), with(), "accepted"},
		"other batch left out":  {unguarded(func(s, own impls.Shape) bool { return s.Batch != own.Batch }), with(props.Without("batch")), ""},
		"other dim, not left":   {unguarded(func(s, own impls.Shape) bool { return s.Dim != own.Dim }), with(props.Without("batch")), "accepted"},
		"no reset":              {wrap(func(c *listCache) impls.Cache { return neverReset{c} }), with(), "reset"},
		"no reset, left out":    {wrap(func(c *listCache) impls.Cache { return neverReset{c} }), with(props.Without("reset")), ""},
		"no crop":               {wrap(func(c *listCache) impls.Cache { return neverCropped{c} }), with(), "crop"},
		"no crop, left out":     {wrap(func(c *listCache) impls.Cache { return neverCropped{c} }), with(props.Without("crop")), ""},
		"no snapshot":           {wrap(func(c *listCache) impls.Cache { return neverRestored{c} }), with(), "restore"},
		"no snapshot, left out": {wrap(func(c *listCache) impls.Cache { return neverRestored{c} }), with(props.Without("snapshot")), ""},
		"a kind of nothing":     {newListCache, with(props.Without("crosing")), `Without(["crosing"])`},

		"slack":            {newListCache, with(props.Slack(1)), ""},
		"too little slack": {newListCache, with(props.Slack(0)), "unbounded"},
		"slack of nothing": {newListCache, with(props.Slack(-1)), "Slack: -1"},

		"close fails":              {wrap(func(c *listCache) impls.Cache { return noClose{c} }), with(), "closing a cache"},
		"skip after a divergence":  {skipsOnceWrong(), with(), "not shrunk"},
		"fatal in the constructor": {func(t *testing.T, _ impls.Shape) (impls.Cache, error) { t.Fatal("no GPU"); return nil, nil }, with(), "no GPU"},
	}
	for _, f := range []corpus.Feature{corpus.Empty, corpus.Exact, corpus.Crossing, corpus.LongChunks} {
		name := string(f)
		all[name+" refused"] = verdict{refusing(false, kind(f)), with(), "refused"}
		all[name+" left out"] = verdict{refusing(false, kind(f)), with(props.Without(f)), ""}
		all[name+" taken all the same"] = verdict{newListCache, with(props.Without(f)), "accepted"}
		if f != corpus.Empty { // of which nothing can be stored
			all[name+" refused, but stored"] = verdict{refusing(true, kind(f)), with(props.Without(f)), "changed the cache"}
		}
	}
	return all
}

// limitedUpdate is a list cache that refuses every chunk in other shapes.
func limitedUpdate(takes func(impls.Shape) bool) constructor {
	return alter(func(c *listCache, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
		if !takes(c.shape) {
			return k, v, errNo
		}
		return c.Update(keys, values)
	})
}

// skipsOnceWrong skips the test as soon as a cache of it was wrong: while it is
// shrunk.
func skipsOnceWrong() constructor {
	wrong := false
	make := alter(func(c *listCache, keys, values impls.Tensor) (impls.Tensor, impls.Tensor, error) {
		k, v, err := c.Update(keys, values)
		clear(k.Data)
		wrong = wrong || len(k.Data) > 0
		return k, v, err
	})
	return func(t *testing.T, s impls.Shape) (impls.Cache, error) {
		if wrong {
			t.Skip("the device is gone")
		}
		return make(t, s)
	}
}

// verdictVar names, in the process that TestOptions starts, the verdict that is
// to fail.
const verdictVar = "SLIDEFUZZ_TEST_VERDICT"

func TestOptions(t *testing.T) {
	if name := os.Getenv(verdictVar); name != "" {
		v := verdicts()[name]
		props.TestCache(t, v.cache, v.options...)
		return
	}
	for name, v := range verdicts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if v.fails == "" {
				props.TestCache(t, v.cache, v.options...)
				return
			}
			// A test that must fail does so in a process of its own.
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestOptions$", "-slidefuzz.seed=1", "-slidefuzz.cases=300")
			cmd.Env = append(os.Environ(), verdictVar+"="+name)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "it passes:\n%s", out)
			require.Equal(t, 1, exit.ExitCode(), "%s", out)
			require.Contains(t, string(out), v.fails)
			require.NotContains(t, string(out), "panic")
		})
	}
}

// What options leave out is not tried while a failure is shrunk either: the
// smallest sequence has the only dim and batch that there are.
func TestShrinkingKeepsToTheOptions(t *testing.T) {
	if os.Getenv(verdictVar) != "" {
		bad := wrongOn(func(s impls.Shape) bool { return s.Window > 2 })
		props.TestCache(t, bad, props.Chunks(), props.Dims(7), props.Batches(3), props.DTypes(impls.F16), props.Layouts(impls.TokensFirst))
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestShrinkingKeepsToTheOptions$/^Oracle$", "-slidefuzz.seed=1", "-slidefuzz.cases=300")
	cmd.Env = append(os.Environ(), verdictVar+"=1")
	out, err := cmd.CombinedOutput()
	require.Error(t, err, "%s", out)
	require.Contains(t, string(out), "batch=3 heads=1 window=3 dim=7 dtype=F16 layout=tokens-first\n            \tappend 1  # token 0")
}

// Dims and batches that no draw has are all tried.
func TestEveryDimAndBatchIsTried(t *testing.T) {
	dims, batches := map[int]bool{}, map[int]bool{}
	props.TestCache(t, func(t *testing.T, s impls.Shape) (impls.Cache, error) {
		if s.Dim%8 > 0 || s.Dim > 32 || s.Batch > 3 {
			return nil, errNo
		}
		dims[s.Dim], batches[s.Batch] = true, true
		return newListCache(t, s)
	}, props.Chunks(), props.Dims(8, 16, 24, 32), props.Batches(1, 2, 3))
	require.Len(t, dims, 4, dims)
	require.Len(t, batches, 3, batches)
}

// counted counts the caches that are open.
type counted struct {
	*listCache
	open *int
}

func (c counted) Close() error { *c.open--; return nil }

func TestCachesAreClosed(t *testing.T) {
	made, open := 0, 0
	most := map[bool]int{} // by whether two run at once
	props.TestCache(t, func(t *testing.T, s impls.Shape) (impls.Cache, error) {
		made++
		open++
		at := strings.HasSuffix(t.Name(), "/Concurrent")
		most[at] = max(most[at], open)
		c := &listCache{shape: s}
		c.Reset()
		return counted{c, &open}, nil
	}, props.Chunks())
	require.Greater(t, made, 50)
	require.Zero(t, open)
	require.Equal(t, map[bool]int{false: 1, true: 2}, most, "one after the other")
}

// The constructor has the t of the subtest: what it skips is skipped, what it
// cleans up is cleaned up when the subtest ends.
func TestConstructorHasTheSubtestsT(t *testing.T) {
	var subtests []*testing.T
	cleaned := 0
	t.Run("in", func(t *testing.T) {
		props.TestCache(t, func(t *testing.T, s impls.Shape) (impls.Cache, error) {
			subtests = append(subtests, t)
			t.Cleanup(func() { cleaned++ })
			if strings.HasSuffix(t.Name(), "/Oracle") && len(subtests) == 3 {
				t.Skip("no device")
			}
			if strings.HasSuffix(t.Name(), "/SameTensor") {
				t.Skip("no device")
			}
			require.Zero(t, strings.Count(t.Name(), "/Oracle")*cleaned, "not before the subtest ends")
			return newListCache(t, s)
		}, props.Chunks(), props.DTypes(impls.F32), props.Layouts(impls.HeadsFirst))
	})
	skipped := map[string]bool{}
	for _, t := range subtests {
		_, name, _ := strings.Cut(t.Name(), "/in/")
		skipped[name] = t.Skipped()
	}
	require.Equal(t, map[string]bool{
		"Oracle":       true,
		"KeepsNothing": false,
		"SameTensor":   true,
		"OwnOutput":    false,
		"Concurrent":   false,
	}, skipped)
	require.Len(t, subtests, cleaned)
}

func multipleOf8(s impls.Shape) bool { return s.Dim%8 == 0 }
