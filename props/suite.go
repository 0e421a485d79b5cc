package props

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/prop"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/shrink"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/oracle"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

type suite struct {
	make     func(*testing.T, impls.Shape) (impls.Cache, error)
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
}

// TestCache tests anyone's cache: equality with the oracle after every
// operation of random sequences, refusals that change nothing, and the
// aliasing of the caller's tensors. What a cache promises is said by
// [impls.Cache], and what it can do beyond that by implementing the optional
// interfaces of package impls. What it promises otherwise is said by options.
//
// newCache returns a new, empty cache of the shape. An error fails the test: which
// shapes a cache does not take is said by [DTypes], [Layouts], [Dims],
// [DimsMultipleOf], [Batches] and [Without]. The t that it is given is that of the subtest which the cache
// serves:
//   - t.Skip skips that subtest, and t.Fatal fails it, wherever it is called. To
//     skip for one shape is to skip the rest of a subtest that tries hundreds.
//   - The subtest Oracle makes a cache for each of its cases, and thousands while
//     it shrinks one. What t.Cleanup is given, and the folders of t.TempDir, wait
//     until the subtest ends and pile up. A cache that holds memory outside Go, a
//     file or a process has a method Close() error instead ([io.Closer]): it is
//     called once after each case, and its error fails the test.
//   - t.Run and t.Parallel are not for newCache.
//
// Which optional interfaces it implements is found out from the first cache that is
// made: operations of others are neither tried nor printed.
//
// A failure prints the smallest sequence that shows it, and how often it does: "wrong
// in 20 of 20 runs". One that comes and goes is counted in up to 300 runs, each of a
// new cache, and shrunk as far as it still shows often enough. Shrinking takes 30
// seconds at most. The properties are gopter's; see [Parameters] for their seed.
func TestCache(t *testing.T, newCache func(t *testing.T, s impls.Shape) (impls.Cache, error), options ...Option) {
	t.Helper()
	s := &suite{
		make:    newCache,
		dtypes:  []impls.DType{impls.F32, impls.BF16, impls.F16, impls.F8E4M3, impls.U8},
		layouts: []impls.Layout{impls.HeadsFirst, impls.TokensFirst},
	}
	for _, o := range options {
		o(s)
	}
	if err := s.checkOptions(); err != nil {
		t.Fatal(err)
	}
	t.Run("Oracle", s.testOracle)
	t.Run("KeepsNothing", s.testKeepsNothing)
	t.Run("SameTensor", s.testSameTensor)
	t.Run("OwnOutput", s.testOwnOutput)
	if len(s.dims.outside())+len(s.batches) > 0 || slices.Contains(s.untried, corpus.WindowOne) {
		t.Run("Limits", s.testLimits)
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

func (s *suite) testOracle(t *testing.T) {
	b := s.backend(t)
	var now, failed *corpus.Case // the case under way, and the one that is being shrunk
	var found *corpus.Divergence
	defer func() {
		// The constructor or the cache may have ended the test, as t.Skip does.
		switch {
		case failed != nil:
			t.Errorf("%s\n%s\nnot shrunk: the test was ended meanwhile", found, sequence(failed))
		case now != nil:
			t.Logf("the test was ended in this case:\n%s", sequence(now))
		}
	}()
	p := gopter.NewProperties(Parameters(t))
	p.Property("the cache agrees with the oracle after every operation", prop.ForAll(func(c *corpus.Case) (bool, error) {
		b.Fit(c)
		now = c
		d, err := b.runner().One(t.Context(), c)
		now = nil
		if err != nil || d == nil {
			return err == nil, err
		}
		failed, found = c, d
		t.Log(judge.CountsText(b.judge.Counts())) // those of the shrinker are of no interest
		small, d, stats, err := b.runner().Minimize(t.Context(), c, d)
		failed = nil
		if err != nil {
			return false, fmt.Errorf("%s\n%s\nnot shrunk: %w", found, sequence(c), err)
		}
		return false, fmt.Errorf("%s%s\n%s", d, runsText(d, stats), sequence(small))
	}, drawn(window.CacheTarget())))
	check(t, p)
	if found == nil {
		t.Log(judge.CountsText(b.judge.Counts()))
	}
}

// runsText says how often the smallest case failed, where d does not say so
// itself, and why it may not be the smallest.
func runsText(d *corpus.Divergence, stats shrink.Stats) string {
	text := ""
	switch {
	case d.Runs == nil:
		text = "; how often it fails was not counted"
	case d.Fault != corpus.FaultRows:
		text = "; " + d.Runs.String()
	}
	if stats.Bounded && (d.Runs == nil || d.Runs.Wrong > 0) {
		text += fmt.Sprintf("; shrinking ended after %s or at its bound, so that a smaller case may fail too", shrinkTime)
	}
	return text
}

func shapeText(s impls.Shape) string {
	return fmt.Sprintf("batch=%d heads=%d window=%d dim=%d dtype=%s layout=%s", s.Batch, s.Heads, s.Window, s.Dim, s.DType, s.Layout)
}

// sequence is the part of a case that concerns a cache.
func sequence(c *corpus.Case) string {
	text := "shape " + shapeText(c.Shape)
	for _, o := range c.Ops {
		text += "\n" + o.String()
	}
	return text
}

// shape is one that the fixed checks use: two of everything that there may be
// two of, so that a mixed-up axis shows.
func (s *suite) shape() impls.Shape {
	shape := impls.Shape{Batch: 2, Heads: 2, Window: fixedWindow, Dim: 3, DType: s.dtypes[0], Layout: s.layouts[0]}
	if !s.dims.has(shape.Dim) {
		shape.Dim = s.dims.least()
	}
	if len(s.batches) > 0 && !slices.Contains(s.batches, shape.Batch) {
		shape.Batch = slices.Max(s.batches)
	}
	return shape
}

// fixedWindow is the window of the fixed checks.
const fixedWindow = 4

// each calls f with a judge of a new cache, of several shapes.
func (s *suite) each(t *testing.T, f func(t *testing.T, j *judge.Judge)) {
	t.Helper()
	for _, dtype := range s.dtypes {
		for _, layout := range s.layouts {
			shape := s.shape()
			shape.DType, shape.Layout = dtype, layout
			t.Run(fmt.Sprintf("%s/%s", dtype, layout), func(t *testing.T) {
				err := s.withCache(t, shape, func(c impls.Cache) error {
					j := s.judge()
					if err := j.Start(shape, run.Cache(c), s.contract); err != nil {
						return err
					}
					f(t, j)
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}

// chunks cuts q tokens into the chunks in which the cache takes them.
func (s *suite) chunks(j *judge.Judge, q int) []int {
	if s.limits.Refuse(j.History().Len(0), q, fixedWindow) {
		return slices.Repeat([]int{1}, q)
	}
	return []int{q}
}

// feed appends q tokens, and calls after, if there is one, after each update.
func (s *suite) feed(t *testing.T, j *judge.Judge, q int, after func()) *corpus.Divergence {
	t.Helper()
	for _, n := range s.chunks(j, q) {
		if d := j.Step(t.Context(), corpus.Op{Kind: corpus.Append, N: n}); d != nil {
			return d
		}
		if after != nil {
			after()
		}
	}
	return nil
}

// testKeepsNothing changes the caller's tensors after each update: a cache
// that kept the memory is changed with them.
func (s *suite) testKeepsNothing(t *testing.T) {
	s.each(t, func(t *testing.T, j *judge.Judge) {
		for _, q := range [...]int{2, 2, 1, 7, 1, 1} { // 7 is longer than the window
			if d := s.feed(t, j, q, func() {
				keys, values := j.Handed()
				for i := range keys.Data {
					keys.Data[i] ^= 0xff
					values.Data[i] ^= 0xff
				}
			}); d != nil {
				if d.Op > 1 && d.Fault == corpus.FaultRows {
					t.Fatalf("%v; the caller has written to its tensors of the chunks before, whose memory a cache must not keep", d)
				}
				t.Fatal(d)
			}
		}
	})
}

// testSameTensor passes one tensor as keys and as values.
func (s *suite) testSameTensor(t *testing.T) {
	s.each(t, func(t *testing.T, j *judge.Judge) {
		for _, q := range [...]int{3, 1, 1, 1, 6, 1} {
			for _, n := range s.chunks(j, q) {
				x := j.Next(oracle.Keys, n)
				if _, _, d := j.Give(t.Context(), x, x); d != nil {
					t.Fatal(d)
				}
			}
		}
	})
}

// testLimits asks for caches just outside of what the options say: the
// constructor must refuse them, or the cache all that it is handed.
func (s *suite) testLimits(t *testing.T) {
	refused := func(option, what string, n int, change func(*impls.Shape)) {
		shape := s.shape()
		change(&shape)
		if shape.Check() != nil {
			return // there is no such shape
		}
		t.Run(fmt.Sprintf("%s=%d", what, n), func(t *testing.T) {
			made, took := false, false
			err := s.withCache(t, shape, func(c impls.Cache) error {
				made = true
				j := s.judge()
				if err := j.Start(shape, run.Cache(c), s.contract); err != nil {
					return err
				}
				x := j.Next(oracle.Keys, 1)
				_, _, err := c.Update(x, x)
				took = err == nil
				return nil
			})
			if took {
				t.Errorf("%s leaves %s=%d out: want an error of the constructor, or of Update; a cache was made, and took a token", option, what, n)
			}
			if made && err != nil {
				t.Error(err)
			}
		})
	}
	for _, n := range s.dims.outside() {
		refused(s.dims.option(), "dim", n, func(shape *impls.Shape) { shape.Dim = n })
	}
	for _, n := range outside(s.batches) {
		refused("Batches", "batch", n, func(shape *impls.Shape) { shape.Batch = n })
	}
	if slices.Contains(s.untried, corpus.WindowOne) {
		refused("Without", "window", 1, func(shape *impls.Shape) { shape.Window = 1 })
	}
}

// testOwnOutput appends a row of what the cache itself returned: the chunk may
// be a view of its buffer, which must be read before it is written.
func (s *suite) testOwnOutput(t *testing.T) {
	s.each(t, func(t *testing.T, j *judge.Judge) {
		if d := s.feed(t, j, fixedWindow, nil); d != nil {
			t.Fatal(d)
		}
		// As often as the row that comes back may be any number of rows away from
		// the one that is written, in rings of up to two windows.
		for range 2 * fixedWindow {
			k, v, d := j.Give(t.Context(), j.Next(oracle.Keys, 1), j.Next(oracle.Values, 1))
			if d != nil {
				t.Fatal(d)
			}
			for row := range min(k.Rows, fixedWindow) {
				// An empty row is no chunk. The narrow contract has none here, and
				// does not judge positions.
				if lists := j.Positions(); s.contract == oracle.Chunks && lists != nil && lists[0][row] < 0 {
					continue
				}
				// Values go in as keys and keys as values: a cache that
				// writes its keys before it reads the chunk of values fails.
				k, v, d = j.Give(t.Context(), v.Slice(row, row+1), k.Slice(row, row+1))
				if d != nil {
					t.Fatal(d)
				}
			}
		}
	})
}
