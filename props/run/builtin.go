package run

import (
	"context"
	"fmt"
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/caches"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/oracle"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

// builtin runs cases on the built-in caches in Go, judged by what they say of
// themselves.
type builtin struct {
	judge *judge.Judge
	// again runs cases once more, to find out what is to blame: those runs are not
	// counted.
	again *judge.Judge
	known map[string]*builtinCache
}

// builtinCache is a built-in cache as the hunts know it.
type builtinCache struct {
	caches.Info
	can []corpus.Capability
}

func newBuiltin() *builtin {
	return &builtin{judge.New(), judge.New(), map[string]*builtinCache{}}
}

// of is the cache of a case.
func (b *builtin) of(c *corpus.Case) (*builtinCache, error) {
	name := c.Target.Update
	if x, ok := b.known[name]; ok {
		return x, nil
	}
	info, ok := window.LookupCache(name)
	if !ok {
		return nil, c.Target.Check()
	}
	sample, err := BuiltinSample(info)
	if err != nil {
		return nil, err
	}
	x := &builtinCache{info, Capabilities(sample)}
	b.known[name] = x
	return x, nil
}

// BuiltinSample makes a small built-in cache, to see which interfaces it implements:
// all of a name are alike in that.
func BuiltinSample(i caches.Info) (impls.Cache, error) {
	s := impls.Shape{Batch: 1, Heads: 1, Window: 1, Dim: i.DimMultiple}
	if len(i.Batches) > 0 {
		s.Batch = i.Batches[0]
	}
	c, err := caches.New(i.Name, s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", window.BuiltinCache(i.Name), err)
	}
	return c, nil
}

// Traits implements Backend.
func (b *builtin) Traits(window.Target) Traits { return Traits{Batch: 1} }

// Counts implements Counter.
func (b *builtin) Counts() map[string]judge.Count { return b.judge.Counts() }

// Run implements Backend.
func (b *builtin) Run(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	return Each(ctx, cases, b.one)
}

func (b *builtin) one(ctx context.Context, c *corpus.Case) (*corpus.Divergence, error) {
	x, err := b.of(c)
	if err != nil {
		return nil, err
	}
	d, suspects, err := x.run(ctx, b.judge, c)
	if err != nil {
		return nil, err
	}
	return Blame(d, c, suspects, func(c *corpus.Case) (*corpus.Divergence, error) {
		d, _, err := x.run(ctx, b.again, c)
		return d, err
	})
}

// run runs a case once, and lists the operations that may be to blame.
func (x *builtinCache) run(ctx context.Context, j *judge.Judge, c *corpus.Case) (*corpus.Divergence, []int, error) {
	cache, err := caches.New(x.Name, c.Shape)
	switch {
	case err != nil && !x.has(c.Shape):
		return nil, nil, nil // as it should be
	case err != nil:
		j.Begin(c)
		return j.Fault(corpus.FaultRefused, "-", "a new cache: "+err.Error()), nil, nil
	}
	contract := oracle.Chunks
	if x.Narrow {
		contract = oracle.Single
	}
	j.SetLimits(x.limits(c.Shape))
	w := Watch(Cache(cache), j)
	d, err := j.Cache(ctx, c, w, contract)
	return d, w.Suspects(), err
}

// has reports whether a shape is within the limits of the cache.
func (x *builtinCache) has(s impls.Shape) bool {
	return s.Dim%x.DimMultiple == 0 && (len(x.Batches) == 0 || slices.Contains(x.Batches, s.Batch))
}

// limits are those of the cache, for the judge of one of a shape.
func (x *builtinCache) limits(s impls.Shape) judge.Limits {
	l := judge.Limits{Nothing: !x.has(s), Largest: x.MaxChunk, Batches: x.Batches}
	for _, kind := range x.Without {
		l.Kinds = append(l.Kinds, corpus.Feature(kind))
	}
	return l
}

// Can reports whether the cache can do something.
func (x *builtinCache) Can(need corpus.Capability) bool {
	return need == "" || slices.Contains(x.can, need)
}

// outsideDraws is the draws of which one asks for a dim that the cache does not take,
// where there are such, so that a cache that takes it is found out.
const outsideDraws = 32

// Fit implements Fitter: a cache is asked what it can do, has no blocks and no order
// of them, and now and then dims that it must refuse.
func (b *builtin) Fit(c *corpus.Case) {
	x, err := b.of(c)
	if err != nil {
		return // Run says so
	}
	drawn, chance := c.Shape, c.Block
	c.Block, c.Schedule, c.Orders = 1, inplace.Schedule{}, nil
	s := &c.Shape
	if of := x.DimMultiple; chance%outsideDraws != 1 && s.Dim%of != 0 {
		// The few dims that are drawn small stand for the smallest multiples.
		if s.Dim *= of; drawn.Dim > smallDims {
			s.Dim = (drawn.Dim + of - 1) / of * of
		}
	}
	if n := len(x.Batches); n > 0 && !slices.Contains(x.Batches, s.Batch) {
		s.Batch = x.Batches[(s.Batch+s.Window)%n]
	}
	l := x.limits(*s)
	Bounds{Can: x.Can, Longest: l.Longest(s.Window)}.Fit(c, drawn)
}

// smallDims bounds the dims of most cases that are drawn.
const smallDims = 4

// Takes implements Fitter. What was found in a shape that must be refused is left as
// it was found: its like within the limits is another failure.
func (b *builtin) Takes(c *corpus.Case) bool {
	x, err := b.of(c)
	return err == nil && c.Block == 1 && c.Schedule.Kind == inplace.Ascending && len(c.Orders) == 0 &&
		x.has(c.Shape) && c.Only(x.Can)
}
