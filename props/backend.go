package props

import (
	"context"
	"slices"
	"testing"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/hunt"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// backend runs cases on the cache under test, for one subtest.
type backend struct {
	s     *suite
	t     *testing.T
	judge *judge.Judge
}

func (s *suite) backend(t *testing.T) *backend { return &backend{s, t, s.judge()} }

// runner shrinks what the backend finds as the findings of workers are shrunk: a
// cache of somebody else's may fail in some runs alone.
func (b *backend) runner() *hunt.Runner {
	return &hunt.Runner{
		Backends:   &run.Backends{ByDevice: map[string]run.Backend{window.GoCache: b}},
		ShrinkTime: shrinkTime,
	}
}

// Traits implements run.Backend.
func (b *backend) Traits(window.Target) run.Traits {
	return run.Traits{Batch: 1, Foreign: true, Quick: true}
}

// Run implements run.Backend.
func (b *backend) Run(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	all := make([]*corpus.Divergence, 0, len(cases))
	for _, c := range cases {
		d, err := b.one(ctx, c)
		if err != nil {
			return all, err
		}
		all = append(all, d)
	}
	return all, nil
}

// one runs a case. Wrong rows that come after a refusal are its doing only if they do
// so each time, and never without it: the cache may be wrong now and then for another
// reason, and wrong in what came next anyway.
func (b *backend) one(ctx context.Context, c *corpus.Case) (*corpus.Divergence, error) {
	d, refused, err := b.runOnce(ctx, c)
	if err != nil {
		return nil, err
	}
	return run.Blame(d, c, refused, func(c *corpus.Case) (*corpus.Divergence, error) {
		d, _, err := b.runOnce(ctx, c)
		return d, err
	})
}

// runOnce also lists the operations that may be to blame: see watched.
func (b *backend) runOnce(ctx context.Context, c *corpus.Case) (d *corpus.Divergence, refused []int, err error) {
	b.t.Helper()
	err = b.s.withCache(b.t, c.Shape, func(cache impls.Cache) (err error) {
		subject := run.Cache(cache)
		if _, ok := cache.(impls.Storer); ok { // its buffers tell at once
			d, err = b.judge.Cache(ctx, c, subject, b.s.contract)
			return err
		}
		w := &watched{Subject: subject, judge: b.judge}
		d, err = b.judge.Cache(ctx, c, w, b.s.contract)
		refused = w.before
		return err
	})
	return d, refused, err
}

// watched is a cache whose refusals are not blamed at first sight. It keeps those
// that came between the rows that it returned last and those before.
type watched struct {
	judge.Subject
	judge   *judge.Judge
	refused []int // since rows were returned, counted from 1
	before  []int // before rows were returned last
}

// Uncertain implements judge.Uncertain.
func (*watched) Uncertain() {}

func (w *watched) note(err error) {
	if err != nil {
		w.refused = append(w.refused, w.judge.Op()+1)
	}
}

// Update implements judge.Subject.
func (w *watched) Update(ctx context.Context, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	k, v, err = w.Subject.Update(ctx, keys, values)
	if w.note(err); err == nil {
		w.before, w.refused = w.refused, nil
	}
	return k, v, err
}

// Crop implements judge.Subject.
func (w *watched) Crop(ctx context.Context, n int) error {
	err := w.Subject.Crop(ctx, n)
	w.note(err)
	return err
}

// UpdateEach implements judge.Subject.
func (w *watched) UpdateEach(ctx context.Context, keys, values impls.Tensor, lengths []int) (k, v impls.Tensor, err error) {
	k, v, err = w.Subject.UpdateEach(ctx, keys, values, lengths)
	if w.note(err); err == nil {
		w.before, w.refused = w.refused, nil
	}
	return k, v, err
}

// CropEach implements judge.Subject.
func (w *watched) CropEach(ctx context.Context, lengths []int) error {
	err := w.Subject.CropEach(ctx, lengths)
	w.note(err)
	return err
}

// Select implements judge.Subject.
func (w *watched) Select(ctx context.Context, entries []int) error {
	err := w.Subject.Select(ctx, entries)
	w.note(err)
	return err
}

// Reset implements judge.Subject. What was refused before has no rows to be seen in.
func (w *watched) Reset(ctx context.Context) {
	w.Subject.Reset(ctx)
	w.refused = nil
}

// Fit implements run.Fitter: it makes a drawn case one that the cache can be asked.
func (b *backend) Fit(c *corpus.Case) {
	s := b.s
	s.fitShape(c)
	s.learn(b.t, c.Shape)
	// A cache has no blocks, and no order that could be asked for: of all cases that
	// are alike but for that, the shrinker is shown the smallest alone.
	c.Target, c.Block, c.Schedule, c.Orders = window.CacheTarget(), 1, inplace.Schedule{}, nil
	keep := c.Ops[:0]
	at := corpus.NewLengths(c.Shape)
	for i, o := range c.Ops {
		if !s.offers(&o) {
			continue
		}
		if o.Kind == corpus.Append {
			// Every other chunk that is too long is shortened: else a cache
			// of small chunks would refuse most of what it is handed.
			if most := s.longest(c.Shape.Window); o.N > most && i%2 == 0 {
				o.N, o.Pad = most, nil
			}
		}
		if !corpus.HasAny(at.Features(&o, c.Shape), s.untried) {
			at.After(&o, c.Shape)
			keep = append(keep, o)
		}
	}
	c.Ops = keep
	// With large dims or batches a case may be larger than one may be.
	for len(c.Ops) > 1 && c.Check(corpus.DefaultLimit) != nil {
		c.Ops = c.Ops[:len(c.Ops)-1]
	}
}

// Takes implements run.Fitter: it reports whether Fit makes such cases, so that
// shrinking does not leave what the options say and the cache can do.
func (b *backend) Takes(c *corpus.Case) bool {
	s := b.s
	return c.Block == 1 && c.Schedule.Kind == inplace.Ascending && len(c.Orders) == 0 &&
		slices.Contains(s.dtypes, c.Shape.DType) && slices.Contains(s.layouts, c.Shape.Layout) &&
		s.dims.has(c.Shape.Dim) && (len(s.batches) == 0 || slices.Contains(s.batches, c.Shape.Batch)) &&
		!slices.ContainsFunc(c.Ops, func(o corpus.Op) bool { return !s.offers(&o) }) &&
		!corpus.HasAny(corpus.FeaturesOf(c), s.untried)
}

// fitShape makes a drawn shape one that the options allow, and the operations those
// of that shape.
func (s *suite) fitShape(c *corpus.Case) {
	drawn, shape := c.Shape, &c.Shape
	// Lists are longer than the few batches and dims that are drawn: what else
	// was drawn helps to choose.
	shape.Dim = s.dims.fit(shape.Dim, 4*shape.Heads+c.Block)
	if len(s.batches) > 0 {
		shape.Batch = s.batches[(shape.Batch+2*shape.Window+c.Block)%len(s.batches)]
	}
	shape.DType = s.dtypes[int(shape.DType)%len(s.dtypes)]
	shape.Layout = s.layouts[int(shape.Layout)%len(s.layouts)]
	if shape.Window == 1 && slices.Contains(s.untried, corpus.WindowOne) {
		shape.Window = 2
	}
	for i := range c.Ops {
		o := &c.Ops[i]
		*o = o.Kind.Operation().Fit(o, drawn, *shape)
	}
}

// learn finds out what the caches under test can do from the first of them that is
// made. An error of the constructor is left to the case that follows.
func (s *suite) learn(t *testing.T, shape impls.Shape) {
	t.Helper()
	if s.known {
		return
	}
	_ = s.withCache(t, shape, func(c impls.Cache) error {
		s.can, s.known = run.Capabilities(c), true
		return nil
	})
}

// offers reports whether the caches under test can do an operation at all.
func (s *suite) offers(o *corpus.Op) bool {
	need := o.Kind.Operation().Capability(o)
	return need == "" || slices.Contains(s.can, need)
}
