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
	dims     []int // empty for any
	batches  []int // empty for any
	limits   judge.Limits
	untried  []corpus.Feature
	unknown  []corpus.Feature // names that Without does not know
	slack    *int             // rows, nil for the default
}

// TestCache tests anyone's cache: equality with the oracle after every
// operation of random sequences, refusals that change nothing, and the
// aliasing of the caller's tensors. What a cache promises is said by
// [impls.Cache], and what it can do beyond that by implementing the optional
// interfaces of package impls. What it promises otherwise is said by options.
//
// newCache returns a new, empty cache of the shape. An error fails the test: which
// shapes a cache does not take is said by [DTypes], [Layouts], [Dims], [Batches]
// and [Without]. The t that it is given is that of the subtest which the cache
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
// A failure prints the smallest sequence that shows it. The properties are
// gopter's; see [Parameters] for their seed.
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
	if len(s.dims)+len(s.batches) > 0 || slices.Contains(s.untried, corpus.WindowOne) {
		t.Run("Limits", s.testLimits)
	}
}

// judge is a new judge of what the cache under test promises.
func (s *suite) judge() *judge.Judge {
	j := judge.New()
	j.SetLimits(s.limits)
	return j
}

// fit makes a drawn case one that the cache under test can be asked.
func (s *suite) fit(c *corpus.Case) {
	// Lists are longer than the few batches and dims that are drawn: what else
	// was drawn helps to choose.
	shape := &c.Shape
	if len(s.dims) > 0 {
		shape.Dim = s.dims[(shape.Dim+4*shape.Heads+c.Block)%len(s.dims)]
	}
	if len(s.batches) > 0 {
		shape.Batch = s.batches[(shape.Batch+2*shape.Window+c.Block)%len(s.batches)]
	}
	shape.DType = s.dtypes[int(shape.DType)%len(s.dtypes)]
	shape.Layout = s.layouts[int(shape.Layout)%len(s.layouts)]
	if shape.Window == 1 && slices.Contains(s.untried, corpus.WindowOne) {
		shape.Window = 2
	}
	keep := c.Ops[:0]
	at := corpus.NewLengths(*shape)
	for i, o := range c.Ops {
		if o.Kind == corpus.Append {
			if !o.Mismatched(*shape) { // it was, in the shape that was drawn
				o = corpus.Op{Kind: corpus.Append, N: o.N, Pad: o.Pad}
			}
			// Every other chunk that is too long is shortened: else a cache
			// of small chunks would refuse most of what it is handed.
			if most := s.longest(shape.Window); o.N > most && (i+c.Block)%2 == 0 {
				o.N, o.Pad = most, nil
			}
		}
		if !corpus.HasAny(at.Features(&o, *shape), s.untried) {
			at.After(&o, *shape)
			keep = append(keep, o)
		}
	}
	c.Ops = keep
	// With large dims or batches a case may be larger than one may be.
	for len(c.Ops) > 1 && c.Check(corpus.DefaultLimit) != nil {
		c.Ops = c.Ops[:len(c.Ops)-1]
	}
	c.Target = window.Target{Update: "cache under test", Device: "sim"}
}

// longest is the most tokens of a chunk that the cache takes.
func (s *suite) longest(window int) int {
	most := impls.MaxExtent
	if slices.Contains(s.limits.Kinds, corpus.LongChunks) {
		most = window
	}
	if s.limits.Largest != nil {
		most = min(most, s.limits.Largest(window))
	}
	return most
}

// takes reports whether fit makes such cases, so that shrinking does not leave
// what the options say.
func (s *suite) takes(c *corpus.Case) bool {
	return slices.Contains(s.dtypes, c.Shape.DType) && slices.Contains(s.layouts, c.Shape.Layout) &&
		(len(s.dims) == 0 || slices.Contains(s.dims, c.Shape.Dim)) &&
		(len(s.batches) == 0 || slices.Contains(s.batches, c.Shape.Batch)) &&
		!corpus.HasAny(corpus.FeaturesOf(c), s.untried)
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

func (s *suite) run(t *testing.T, j *judge.Judge, c *corpus.Case) (d *corpus.Divergence, err error) {
	t.Helper()
	err = s.withCache(t, c.Shape, func(cache impls.Cache) (err error) {
		d, err = j.Cache(t.Context(), c, run.Cache(cache), s.contract)
		return err
	})
	return d, err
}

func (s *suite) testOracle(t *testing.T) {
	j := s.judge()
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
		s.fit(c)
		now = c
		d, err := s.run(t, j, c)
		now = nil
		if err != nil || d == nil {
			return err == nil, err
		}
		failed, found = c, d
		want := d.Failure(c.Target)
		small, _ := shrink.Case(t.Context(), c, func(c *corpus.Case) bool {
			if !s.takes(c) {
				return false
			}
			d, err := s.run(t, j, c)
			return err == nil && d != nil && d.Failure(c.Target) == want
		})
		d, err = s.run(t, j, small)
		failed = nil
		if err != nil || d == nil {
			return false, fmt.Errorf("shrunk to a case that passes: the cache is not deterministic: %v", err)
		}
		return false, fmt.Errorf("%s%s\n%s", d, s.limitsText(small, d), sequence(small))
	}, Cases()))
	check(t, p)
}

// limitsText says what a chunk that was taken is measured by, where options say
// so.
func (s *suite) limitsText(c *corpus.Case, d *corpus.Divergence) string {
	if d.Fault != corpus.FaultAccepted || s.limits.Largest == nil && len(s.limits.Kinds) == 0 {
		return ""
	}
	if o := &c.Ops[d.Op-1]; o.Kind != corpus.Append || o.Mismatched(c.Shape) {
		return "" // refused whatever the options say
	}
	return " (what Without and LargestChunk leave out must be refused too)"
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
	if len(s.dims) > 0 && !slices.Contains(s.dims, shape.Dim) {
		shape.Dim = s.dims[0]
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
func (s *suite) feed(t *testing.T, j *judge.Judge, q int, after func()) {
	t.Helper()
	for _, n := range s.chunks(j, q) {
		if d := j.Step(t.Context(), corpus.Op{Kind: corpus.Append, N: n}); d != nil {
			t.Fatal(d)
		}
		if after != nil {
			after()
		}
	}
}

// testKeepsNothing changes the caller's tensors after each update: a cache
// that kept the memory is changed with them.
func (s *suite) testKeepsNothing(t *testing.T) {
	s.each(t, func(t *testing.T, j *judge.Judge) {
		for _, q := range [...]int{2, 2, 1, 7, 1, 1} { // 7 is longer than the window
			s.feed(t, j, q, func() {
				keys, values := j.Handed()
				for i := range keys.Data {
					keys.Data[i] ^= 0xff
					values.Data[i] ^= 0xff
				}
			})
		}
	})
}

// testSameTensor passes one tensor as keys and as values.
func (s *suite) testSameTensor(t *testing.T) {
	s.each(t, func(t *testing.T, j *judge.Judge) {
		for _, q := range [...]int{3, 1, 1, 1, 6, 1} {
			for _, n := range s.chunks(j, q) {
				x := j.Next(n)
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
				x := j.Next(1)
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
	for _, n := range outside(s.dims) {
		refused("Dims", "dim", n, func(shape *impls.Shape) { shape.Dim = n })
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
		s.feed(t, j, fixedWindow, nil)
		for range 2 {
			x := j.Next(1)
			k, v, d := j.Give(t.Context(), x, x)
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
