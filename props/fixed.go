package props

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// fixedCheck is the same steps each time, on a cache of each element type and layout: with
// shared tensors, or with tensors that nobody else has.
type fixedCheck struct {
	name, about string
	steps       func(t *testing.T, s *suite, j *judge.Judge, shared bool) *corpus.Divergence
}

var fixedChecks = [...]fixedCheck{
	{"KeepsNothing", "the caller overwrites the tensors of a chunk after each update: a cache must not keep their memory", keepsNothing},
	{"SameTensor", "one tensor is handed over as keys and as values", sameTensor},
	{"OwnOutput", "rows that the cache returned are handed in again, keys as values and values as keys: they may be views of its buffer, and must be read before it is written", ownOutput},
}

// testFixed fails once, with what the first cache that fails did and which others do. One
// that fails without shared tensors too is left to Oracle, unless that passes.
func (s *suite) testFixed(t *testing.T, c fixedCheck, oraclePasses bool) {
	var first, failed []string
	var unjudged error
	tried := 0
	// Deferred, since the constructor or the cache may end the test.
	defer func() {
		switch {
		case len(failed) == 1 && tried > 1 && unjudged == nil:
			t.Errorf("%s\nall other element types and layouts pass", first[0])
		case len(failed) == tried && tried > 1:
			t.Errorf("%s\nand so for every element type and layout", first[0])
		case len(failed) > 1:
			t.Errorf("%s\nand so for %s", first[0], strings.Join(failed[1:], ", "))
		case len(failed) == 1:
			t.Error(first[0])
		}
	}()
	for _, dtype := range s.dtypes {
		for _, layout := range s.layouts {
			shape := s.shape()
			shape.DType, shape.Layout = dtype, layout
			tried++
			err := s.fixed(t, c, shape, true)
			if err == nil {
				continue
			}
			first = append(first, err.Error())
			failed = append(failed, fmt.Sprintf("%s %s", dtype, layout))
			last := len(first) - 1
			switch plain := s.plain(t, c, shape); {
			case plain == nil:
			case oraclePasses:
				first[last] = plain.Error()
			default:
				unjudged, first, failed = plain, first[:last], failed[:last]
			}
		}
	}
	if unjudged != nil && len(failed) == 0 {
		t.Skipf("not judged: Oracle fails already, and these steps do with tensors that nobody else has:\n%v", unjudged)
	}
}

// plainRuns is how often the steps are tried without shared tensors: a cache may be wrong in
// some runs alone.
const plainRuns = 20

// plain is why a cache fails without shared tensors too, nil where it does not.
func (s *suite) plain(t *testing.T, c fixedCheck, shape impls.Shape) error {
	t.Helper()
	for range plainRuns {
		if err := s.fixed(t, c, shape, false); err != nil {
			return err
		}
	}
	return nil
}

// fixed does the steps of a check on a cache of a shape.
func (s *suite) fixed(t *testing.T, c fixedCheck, shape impls.Shape, shared bool) error {
	t.Helper()
	return s.withCache(t, shape, func(cache impls.Cache) error {
		j := s.judge()
		if err := j.Start(shape, run.Cache(cache), s.contract); err != nil {
			return err
		}
		d := c.steps(t, s, j, shared)
		if d == nil {
			return nil
		}
		about := c.about
		if !shared {
			about = "no tensor is shared: this is no fault of aliasing"
		}
		return fmt.Errorf("%s\n%s\nin %s%s", d, about, stepsText(j.Case()), stackText(d))
	})
}

// stepsText is a case in one line, with steps that repeat told once.
func stepsText(c *corpus.Case) string {
	var steps []string
	times := 1
	for part := range strings.SplitSeq(c.Short(), "; ") {
		last := len(steps) - 1
		if last >= 0 && part == strings.TrimSuffix(steps[last], fmt.Sprintf(" (%d times)", times)) {
			times++
			steps[last] = fmt.Sprintf("%s (%d times)", part, times)
			continue
		}
		steps, times = append(steps, part), 1
	}
	return strings.Join(steps, "; ")
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

// chunks cuts q tokens into the chunks in which the cache takes them.
func (s *suite) chunks(j *judge.Judge, q int) []int {
	if s.limits.Refuse(j.History().Len(0), q, fixedWindow) {
		return slices.Repeat([]int{1}, q)
	}
	return []int{q}
}

// feed hands over q tokens, by give n of them at a time.
func (s *suite) feed(j *judge.Judge, q int, give func(n int) *corpus.Divergence) *corpus.Divergence {
	for _, n := range s.chunks(j, q) {
		if d := give(n); d != nil {
			return d
		}
	}
	return nil
}

// fresh hands over the next n tokens in tensors that nobody else has. Those of Step are
// made over the memory of the last.
func fresh(t *testing.T, j *judge.Judge, n int) *corpus.Divergence {
	t.Helper()
	_, _, d := j.Give(t.Context(), j.Next(oracle.Keys, n), j.Next(oracle.Values, n))
	return d
}

// keepsNothing changes the caller's tensors after each update: a cache that kept the
// memory is changed with them.
func keepsNothing(t *testing.T, s *suite, j *judge.Judge, shared bool) *corpus.Divergence {
	t.Helper()
	for _, q := range [...]int{2, 2, 1, 7, 1, 1} { // 7 is longer than the window
		if d := s.feed(j, q, func(n int) *corpus.Divergence {
			if !shared {
				return fresh(t, j, n)
			}
			d := j.Step(t.Context(), corpus.Op{Kind: corpus.Append, N: n})
			keys, values := j.Handed()
			for i := range keys.Data {
				keys.Data[i] ^= 0xff
				values.Data[i] ^= 0xff
			}
			return d
		}); d != nil {
			return d
		}
	}
	return nil
}

// sameTensor passes one tensor as keys and as values.
func sameTensor(t *testing.T, s *suite, j *judge.Judge, shared bool) *corpus.Divergence {
	t.Helper()
	for _, q := range [...]int{3, 1, 1, 1, 6, 1} {
		if d := s.feed(j, q, func(n int) *corpus.Divergence {
			x := j.Next(oracle.Keys, n)
			y := x
			if !shared {
				y = x.Clone(j.Case().Shape)
			}
			_, _, d := j.Give(t.Context(), x, y)
			return d
		}); d != nil {
			return d
		}
	}
	return nil
}

// ownOutput appends a row of what the cache itself returned: the chunk may
// be a view of its buffer, which must be read before it is written.
func ownOutput(t *testing.T, s *suite, j *judge.Judge, shared bool) *corpus.Divergence {
	t.Helper()
	if d := s.feed(j, fixedWindow, func(n int) *corpus.Divergence { return fresh(t, j, n) }); d != nil {
		return d
	}
	// As often as the row that comes back may be any number of rows away from
	// the one that is written, in rings of up to two windows.
	for range 2 * fixedWindow {
		k, v, d := j.Give(t.Context(), j.Next(oracle.Keys, 1), j.Next(oracle.Values, 1))
		if d != nil {
			return d
		}
		for row := range min(k.Rows, fixedWindow) {
			// An empty row is no chunk. The narrow contract has none here, and
			// does not judge positions.
			if lists := j.Positions(); s.contract == oracle.Chunks && lists != nil && lists[0][row] < 0 {
				continue
			}
			// Values go in as keys and keys as values: a cache that
			// writes its keys before it reads the chunk of values fails.
			keys, values := v.Slice(row, row+1), k.Slice(row, row+1)
			if !shared {
				keys, values = keys.Clone(j.Case().Shape), values.Clone(j.Case().Shape)
			}
			k, v, d = j.Give(t.Context(), keys, values)
			if d != nil {
				return d
			}
		}
	}
	return nil
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
