package props

import (
	"context"
	"fmt"
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

// Option changes what TestCache expects.
type Option func(*suite)

// Chunks judges by the wider contract: any chunk at any time, by what each
// query sees. Without it the contract is that of pytorch#159855.
func Chunks() Option { return func(s *suite) { s.contract = oracle.Chunks } }

// DTypes limits the element types; without it all are tested.
func DTypes(d ...impls.DType) Option { return func(s *suite) { s.dtypes = d } }

// Layouts limits the layouts; without it both are tested.
func Layouts(l ...impls.Layout) Option { return func(s *suite) { s.layouts = l } }

type suite struct {
	make     func(impls.Shape) (impls.Cache, error)
	contract oracle.Contract
	dtypes   []impls.DType
	layouts  []impls.Layout
}

// TestCache tests anyone's cache: equality with the oracle after every
// operation of random sequences, refusals that change nothing, and the
// aliasing of the caller's tensors. make returns a new, empty cache of the
// shape. What a cache can do beyond Update and Reset it says by implementing
// impls.Storer, Cropper, Snapshotter or Positioner.
//
// A failure prints the smallest sequence that shows it. The properties are
// gopter's; see Parameters for their seed.
func TestCache(t *testing.T, make func(impls.Shape) (impls.Cache, error), options ...Option) {
	t.Helper()
	s := &suite{
		make:    make,
		dtypes:  []impls.DType{impls.F32, impls.BF16, impls.F16, impls.F8E4M3, impls.U8},
		layouts: []impls.Layout{impls.HeadsFirst, impls.TokensFirst},
	}
	for _, o := range options {
		o(s)
	}
	t.Run("Oracle", s.testOracle)
	t.Run("KeepsNothing", s.testKeepsNothing)
	t.Run("SameTensor", s.testSameTensor)
	t.Run("OwnOutput", s.testOwnOutput)
}

// fit makes a drawn case one that the cache under test can be asked.
func (s *suite) fit(c *corpus.Case) *corpus.Case {
	c.Shape.DType = s.dtypes[int(c.Shape.DType)%len(s.dtypes)]
	c.Shape.Layout = s.layouts[int(c.Shape.Layout)%len(s.layouts)]
	for i := range c.Ops {
		if c.Ops[i].DType == c.Shape.DType.String() {
			c.Ops[i] = corpus.Op{Kind: corpus.Append, N: 1}
		}
	}
	c.Target = window.Target{Update: "cache under test", Device: "sim"}
	return c
}

func (s *suite) run(ctx context.Context, j *judge.Judge, c *corpus.Case) (*corpus.Divergence, error) {
	cache, err := s.make(c.Shape)
	if err != nil {
		return nil, fmt.Errorf("making a cache of %+v: %w", c.Shape, err)
	}
	return j.Cache(ctx, c, run.Cache(cache), s.contract)
}

func (s *suite) testOracle(t *testing.T) {
	j := judge.New()
	p := gopter.NewProperties(Parameters(t))
	p.Property("the cache agrees with the oracle after every operation", prop.ForAll(func(c *corpus.Case) (bool, error) {
		s.fit(c)
		d, err := s.run(t.Context(), j, c)
		if err != nil || d == nil {
			return err == nil, err
		}
		want := d.Failure(c.Target)
		small, _ := shrink.Case(t.Context(), c, func(c *corpus.Case) bool {
			d, err := s.run(t.Context(), j, c)
			return err == nil && d != nil && d.Failure(c.Target) == want
		})
		d, err = s.run(t.Context(), j, small)
		if err != nil || d == nil {
			return false, fmt.Errorf("shrunk to a case that passes: the cache is not deterministic: %v", err)
		}
		return false, fmt.Errorf("%s\n%s", d, sequence(small))
	}, Cases()))
	check(t, p)
}

// sequence is the part of a case that concerns a cache.
func sequence(c *corpus.Case) string {
	s := c.Shape
	text := fmt.Sprintf("shape batch=%d heads=%d window=%d dim=%d dtype=%s layout=%s", s.Batch, s.Heads, s.Window, s.Dim, s.DType, s.Layout)
	for _, o := range c.Ops {
		text += "\n" + o.String()
	}
	return text
}

// each calls f with a judge of a new cache, of several shapes.
func (s *suite) each(t *testing.T, f func(t *testing.T, j *judge.Judge)) {
	t.Helper()
	for _, dtype := range s.dtypes {
		for _, layout := range s.layouts {
			shape := impls.Shape{Batch: 2, Heads: 2, Window: 4, Dim: 3, DType: dtype, Layout: layout}
			t.Run(fmt.Sprintf("%s/%s", dtype, layout), func(t *testing.T) {
				c, err := s.make(shape)
				if err != nil {
					t.Fatal(err)
				}
				j := judge.New()
				if err := j.Start(shape, run.Cache(c), s.contract); err != nil {
					t.Fatal(err)
				}
				f(t, j)
			})
		}
	}
}

// feed appends q tokens.
func feed(t *testing.T, j *judge.Judge, q int) {
	t.Helper()
	if d := j.Step(t.Context(), corpus.Op{Kind: corpus.Append, N: q}); d != nil {
		t.Fatal(d)
	}
}

// testKeepsNothing changes the caller's tensors after each update: a cache
// that kept the memory is changed with them.
func (s *suite) testKeepsNothing(t *testing.T) {
	s.each(t, func(t *testing.T, j *judge.Judge) {
		for _, q := range [...]int{2, 2, 1, 7, 1, 1} { // 7 is longer than the window
			feed(t, j, q)
			keys, values := j.Handed()
			for i := range keys.Data {
				keys.Data[i] ^= 0xff
				values.Data[i] ^= 0xff
			}
		}
	})
}

// testSameTensor passes one tensor as keys and as values.
func (s *suite) testSameTensor(t *testing.T) {
	s.each(t, func(t *testing.T, j *judge.Judge) {
		for _, q := range [...]int{3, 1, 1, 1, 6, 1} {
			x := j.Next(q)
			if _, _, d := j.Give(t.Context(), x, x); d != nil {
				t.Fatal(d)
			}
		}
	})
}

// testOwnOutput appends a row of what the cache itself returned: the chunk may
// be a view of its buffer, which must be read before it is written.
func (s *suite) testOwnOutput(t *testing.T) {
	s.each(t, func(t *testing.T, j *judge.Judge) {
		feed(t, j, 4)
		for range 2 {
			x := j.Next(1)
			k, v, d := j.Give(t.Context(), x, x)
			if d != nil {
				t.Fatal(d)
			}
			for row := range min(k.Rows, 4) {
				if lists := j.Positions(); lists != nil && lists[0][row] < 0 {
					continue // an empty row is no chunk
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
