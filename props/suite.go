package props

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

// constructor makes a new, empty cache of a shape.
type constructor = func(*testing.T, impls.Shape) (impls.Cache, error)

// suite is a cache under test, and what its options say.
type suite struct {
	make     constructor
	test     string   // the name of the test
	name     string   // of the constructor, as it is written in Go
	options  []option // that were given, in their order
	contract oracle.Contract
	dtypes   []impls.DType
	layouts  []impls.Layout
	dims     dims
	batches  []int // empty for any
	limits   judge.Limits
	untried  []corpus.Feature
	unknown  []corpus.Feature // names that Without does not know
	slack    *int             // rows, nil for the default
	// can lists the capabilities of the caches under test, once they are known.
	can   []corpus.Capability
	known bool
	made  bool // whether there was ever a cache
}

// newSuite fails the test where an option has no meaning.
func newSuite(tb testing.TB, newCache constructor, options []Option) *suite {
	tb.Helper()
	s := &suite{
		make:    newCache,
		test:    tb.Name(),
		name:    funcName(newCache, "newCache"),
		dtypes:  []impls.DType{impls.F32, impls.BF16, impls.F16, impls.F8E4M3, impls.U8},
		layouts: []impls.Layout{impls.HeadsFirst, impls.TokensFirst},
	}
	for _, o := range options {
		o(s)
	}
	if err := s.checkOptions(); err != nil {
		tb.Fatal(err)
	}
	return s
}

// TestCache tests anyone's cache: equality with the oracle after every
// operation of random sequences, refusals that change nothing, the aliasing of the
// caller's tensors, and two caches at once. What a cache promises is said by
// [impls.Cache], and what it can do beyond that by implementing the optional
// interfaces of package impls. What it promises otherwise is said by options.
//
// newCache returns a new, empty cache of the shape. An error fails the test: which
// shapes a cache does not take is said by [DTypes], [Layouts], [Dims],
// [DimsMultipleOf], [Batches] and [Without]. The t that it is given is that of the subtest which the cache
// serves:
//   - t.Skip skips that subtest, and t.Fatal fails it, wherever it is called. To
//     skip for one shape is to skip the rest of a subtest that tries many: an option
//     leaves a shape out.
//   - The subtest Oracle makes a cache for each of its cases, and thousands while
//     it shrinks one. What t.Cleanup is given, and the folders of t.TempDir, wait
//     until the subtest ends and pile up. A cache that holds memory outside Go, a
//     file or a process has a method Close() error instead ([io.Closer]): it is
//     called once after each case, and its error fails the test.
//   - The subtest Concurrent runs two caches at a time, each on a goroutine of its
//     own. Where caches cannot, for they share a device, skip it: its t.Name ends in
//     /Concurrent.
//   - t.Run and t.Parallel are not for newCache.
//
// Which optional interfaces it implements is found out from the first cache that is
// made: operations of others are neither tried nor printed.
//
// KeepsNothing, SameTensor and OwnOutput share tensors with the cache. Where their steps fail
// without that too, they blame no aliasing, and are skipped once Oracle has failed.
//
// The cases in the folder testdata/slidefuzz/NAME, where NAME is that of the test, run
// first, each as a subtest of Kept. They are case files or texts as [ReplayCache]
// takes them, in files *.txt.
//
// A failure prints the smallest sequence that shows it, as a call of [ReplayCache] to
// paste, and how often it does: "wrong in 20 of 20 runs". One that comes and goes is
// counted in up to 300 runs, each of a new cache, and shrunk as far as it still shows
// often enough. Shrinking takes 30 seconds at most. The case and its report are
// written to t.ArtifactDir, which go test -artifacts keeps.
//
// The properties are gopter's; see [Parameters] for their seed. With -slidefuzz.time=10m
// the subtest Oracle goes on for that long, with a new seed for each so many cases.
func TestCache(t *testing.T, newCache func(t *testing.T, s impls.Shape) (impls.Cache, error), options ...Option) {
	t.Helper()
	s := newSuite(t, newCache, options)
	s.testKept(t)
	passes := t.Run("Oracle", s.testOracle)
	for _, c := range fixedChecks {
		t.Run(c.name, func(t *testing.T) { s.testFixed(t, c, passes) })
	}
	t.Run("Concurrent", s.testConcurrent)
	if len(s.dims.outside())+len(s.batches) > 0 || slices.Contains(s.untried, corpus.WindowOne) {
		t.Run("Limits", s.testLimits)
	}
	if !s.made && !t.Failed() {
		t.Skipf("nothing was tested: %s skipped each subtest", s.name)
	}
}

// judge is a new judge of what the cache under test promises.
func (s *suite) judge() *judge.Judge {
	j := judge.New()
	l := s.limits
	l.Batches, l.Slack = s.batches, s.slack
	j.SetLimits(l)
	return j
}

// withCache makes a cache, hands it to f and closes it.
func (s *suite) withCache(t *testing.T, shape impls.Shape, f func(impls.Cache) error) (err error) {
	t.Helper()
	if s.limits.Largest != nil {
		if n := s.limits.Largest(shape.Window); n < 1 {
			return fmt.Errorf("LargestChunk: %d tokens for a window of %d, want at least 1", n, shape.Window)
		}
	}
	cache, err := s.make(t, shape)
	if err != nil {
		return fmt.Errorf("making a cache of %s: %w", shapeText(shape), err)
	}
	if cache == nil {
		return fmt.Errorf("%s returned a nil cache of %s, and no error", s.name, shapeText(shape))
	}
	s.made = true
	if c, ok := cache.(io.Closer); ok {
		// Deferred, since the cache may end the test.
		defer func() {
			if closing := c.Close(); closing != nil {
				err = errors.Join(err, fmt.Errorf("closing a cache of %s: %w", shapeText(shape), closing))
			}
		}()
	}
	return f(cache)
}

func shapeText(s impls.Shape) string {
	return fmt.Sprintf("batch=%d heads=%d window=%d dim=%d dtype=%s layout=%s", s.Batch, s.Heads, s.Window, s.Dim, s.DType, s.Layout)
}
