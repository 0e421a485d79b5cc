package props

import (
	"context"
	"slices"
	"github.com/slidefuzz/slidefuzz/fuzz/libfuzzer/testing"

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
	return run.Each(ctx, cases, b.one)
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

// runOnce also lists the operations that may be to blame: see run.Watched.
func (b *backend) runOnce(ctx context.Context, c *corpus.Case) (d *corpus.Divergence, refused []int, err error) {
	b.t.Helper()
	err = b.s.withCache(b.t, c.Shape, func(cache impls.Cache) (err error) {
		subject := run.Cache(cache)
		if _, ok := cache.(impls.Storer); ok { // its buffers tell at once
			d, err = b.judge.Cache(ctx, c, subject, b.s.contract)
			return err
		}
		w := run.Watch(subject, b.judge)
		d, err = b.judge.Cache(ctx, c, w, b.s.contract)
		refused = w.Suspects()
		return err
	})
	return d, refused, err
}

// Fit implements run.Fitter: it makes a drawn case one that the cache can be asked.
func (b *backend) Fit(c *corpus.Case) {
	s, drawn := b.s, c.Shape
	s.fitShape(c)
	s.learn(b.t, c.Shape)
	// A cache has no blocks, and no order that could be asked for: of all cases that
	// are alike but for that, the shrinker is shown the smallest alone.
	c.Target, c.Block, c.Schedule, c.Orders = window.CacheTarget(), 1, inplace.Schedule{}, nil
	run.Bounds{Can: s.able, Longest: s.limits.Longest(c.Shape.Window), Without: s.untried}.Fit(c, drawn)
}

// Takes implements run.Fitter: it reports whether Fit makes such cases, so that
// shrinking does not leave what the options say and the cache can do.
func (b *backend) Takes(c *corpus.Case) bool {
	s := b.s
	return c.Block == 1 && c.Schedule.Kind == inplace.Ascending && len(c.Orders) == 0 &&
		slices.Contains(s.dtypes, c.Shape.DType) && slices.Contains(s.layouts, c.Shape.Layout) &&
		s.dims.has(c.Shape.Dim) && (len(s.batches) == 0 || slices.Contains(s.batches, c.Shape.Batch)) &&
		c.Only(s.able) && !corpus.HasAny(corpus.FeaturesOf(c), s.untried)
}

// fitShape makes a drawn shape one that the options allow.
func (s *suite) fitShape(c *corpus.Case) {
	shape := &c.Shape
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

// able reports whether the caches under test can do something.
func (s *suite) able(need corpus.Capability) bool { return slices.Contains(s.can, need) }
