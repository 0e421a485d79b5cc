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
)

// Option changes what TestCache expects.
type Option func(*suite)

// Chunks judges by the wider contract: any chunk at any time, by what each
// query sees. Without it the contract is that of pytorch#159855.
func Chunks() Option { return func(s *suite) { s.judge = chunks } }

// DTypes limits the element types; without it all are tested.
func DTypes(d ...impls.DType) Option { return func(s *suite) { s.dtypes = d } }

// Layouts limits the layouts; without it both are tested.
func Layouts(l ...impls.Layout) Option { return func(s *suite) { s.layouts = l } }

type suite struct {
	make    func(impls.Shape) (impls.Cache, error)
	judge   contract
	dtypes  []impls.DType
	layouts []impls.Layout
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

func (s *suite) run(ctx context.Context, r *Runner, c *corpus.Case) (*corpus.Divergence, error) {
	cache, err := s.make(c.Shape)
	if err != nil {
		return nil, fmt.Errorf("making a cache of %+v: %w", c.Shape, err)
	}
	r.use(c, cache)
	return r.runCache(ctx, goCache{cache}, s.judge)
}

// use makes a case and somebody's cache those under test.
func (r *Runner) use(c *corpus.Case, cache impls.Cache) {
	r.c, r.window = c, nil
	r.store, _ = cache.(impls.Storer)
}

func (s *suite) testOracle(t *testing.T) {
	r := NewRunner()
	p := gopter.NewProperties(Parameters(t))
	p.Property("the cache agrees with the oracle after every operation", prop.ForAll(func(c *corpus.Case) (bool, error) {
		s.fit(c)
		d, err := s.run(t.Context(), r, c)
		if err != nil || d == nil {
			return err == nil, err
		}
		want := d.Failure(c.Target)
		small, _ := shrink.Case(t.Context(), c, func(c *corpus.Case) bool {
			d, err := s.run(t.Context(), r, c)
			return err == nil && d != nil && d.Failure(c.Target) == want
		})
		d, err = s.run(t.Context(), r, small)
		if err != nil || d == nil {
			return false, fmt.Errorf("shrunk to a case that passes: the cache is not deterministic: %v", err)
		}
		return false, fmt.Errorf("%s\n%s", d, sequence(small))
	}, Cases()))
	run(t, p)
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

// each calls f with a new cache of several shapes, and a way to make chunks.
func (s *suite) each(t *testing.T, f func(t *testing.T, r *Runner, c impls.Cache, shape impls.Shape)) {
	t.Helper()
	for _, dtype := range s.dtypes {
		for _, layout := range s.layouts {
			shape := impls.Shape{Batch: 2, Heads: 2, Window: 4, Dim: 3, DType: dtype, Layout: layout}
			t.Run(fmt.Sprintf("%s/%s", dtype, layout), func(t *testing.T) {
				c, err := s.make(shape)
				if err != nil {
					t.Fatal(err)
				}
				r := NewRunner()
				r.use(&corpus.Case{Shape: shape}, c)
				r.cache, r.judge = goCache{c}, s.judge
				if r.code, err = r.encoding(shape); err != nil {
					t.Fatal(err)
				}
				r.history.Resize(shape.Lanes(), shape.Window, shape.RowBytes())
				f(t, r, c, shape)
			})
		}
	}
}

// feed appends q tokens as the runner does, and then calls spoil with the
// caller's own tensors.
func (r *Runner) feed(t *testing.T, q int, spoil func(keys, values impls.Tensor)) {
	t.Helper()
	if d := r.append(t.Context(), &corpus.Op{Kind: corpus.Append, N: q}); d != nil {
		t.Fatal(d)
	}
	if spoil != nil {
		spoil(r.chunk[0], r.chunk[1])
	}
}

// testKeepsNothing changes the caller's tensors after each update: a cache
// that kept the memory is changed with them.
func (s *suite) testKeepsNothing(t *testing.T) {
	s.each(t, func(t *testing.T, r *Runner, c impls.Cache, shape impls.Shape) {
		spoil := func(keys, values impls.Tensor) {
			for i := range keys.Data {
				keys.Data[i] ^= 0xff
				values.Data[i] ^= 0xff
			}
		}
		r.feed(t, 2, spoil)
		r.feed(t, 2, spoil)
		r.feed(t, 1, spoil)
		r.feed(t, 7, spoil) // longer than the window
		r.feed(t, 1, spoil)
		r.feed(t, 1, nil)
	})
}

// testSameTensor passes one tensor as keys and as values.
func (s *suite) testSameTensor(t *testing.T) {
	s.each(t, func(t *testing.T, r *Runner, c impls.Cache, shape impls.Shape) {
		for _, q := range [...]int{3, 1, 1, 1, 6, 1} {
			x := impls.NewTensor(shape, q)
			r.fill(&x, 0, r.history.Len(), nil)
			r.appendRows(&x, &x)
			k, v, err := c.Update(x, x)
			if err != nil {
				t.Fatal(err)
			}
			n := r.history.Len() - q
			if d := r.checkReturned([2]*impls.Tensor{&k, &v}, n, q); d != nil {
				t.Fatal(d)
			}
		}
	})
}

// appendRows tells the history what is appended.
func (r *Runner) appendRows(k, v *impls.Tensor) {
	for lane := range k.Lanes() {
		for i := range k.Rows {
			r.history.AppendLane(0, lane, k.Row(lane, i))
			r.history.AppendLane(1, lane, v.Row(lane, i))
		}
	}
	r.history.Advance(k.Rows)
}

// testOwnOutput appends a row of what the cache itself returned: the chunk may
// be a view of its buffer, which must be read before it is written.
func (s *suite) testOwnOutput(t *testing.T) {
	s.each(t, func(t *testing.T, r *Runner, c impls.Cache, shape impls.Shape) {
		r.feed(t, 4, nil)
		for range 2 {
			x := impls.NewTensor(shape, 1)
			r.fill(&x, 0, r.history.Len(), nil)
			r.appendRows(&x, &x)
			k, v, err := c.Update(x, x)
			if err != nil {
				t.Fatal(err)
			}
			if d := r.checkReturned([2]*impls.Tensor{&k, &v}, r.history.Len()-1, 1); d != nil {
				t.Fatal(d)
			}
			for row := range min(k.Rows, 4) {
				if p, ok := c.(impls.Positioner); ok && p.Positions() != nil && p.Positions()[0][row] < 0 {
					continue // an empty row is no chunk
				}
				// Values go in as keys and keys as values: a cache that
				// writes its keys before it reads the chunk of values fails.
				kRow, vRow := v.Slice(row, row+1), k.Slice(row, row+1)
				r.appendRows(&kRow, &vRow)
				k, v, err = c.Update(kRow, vRow)
				if err != nil {
					t.Fatal(err)
				}
				if d := r.checkReturned([2]*impls.Tensor{&k, &v}, r.history.Len()-1, 1); d != nil {
					t.Fatal(d)
				}
			}
		}
	})
}
