package run

import (
	"context"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

// Cache is a cache of this process as the judge asks it.
func Cache(c impls.Cache) judge.Subject { return goCache{c} }

type goCache struct{ impls.Cache }

func (c goCache) Update(_ context.Context, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	return c.Cache.Update(keys, values)
}

func (c goCache) Reset(context.Context) { c.Cache.Reset() }

func (c goCache) Crop(_ context.Context, n int) error {
	if x, ok := c.Cache.(impls.Cropper); ok {
		return x.Crop(n)
	}
	return judge.ErrCannot
}

func (c goCache) Snapshot(_ context.Context, id int) error {
	if x, ok := c.Cache.(impls.Snapshotter); ok {
		return x.Snapshot(id)
	}
	return judge.ErrCannot
}

func (c goCache) Restore(_ context.Context, id int) error {
	if x, ok := c.Cache.(impls.Snapshotter); ok {
		return x.Restore(id)
	}
	return judge.ErrCannot
}

func (c goCache) Positions() [][]int {
	if x, ok := c.Cache.(impls.Positioner); ok {
		return x.Positions()
	}
	return nil
}

func (c goCache) Sinks() int {
	if x, ok := c.Cache.(impls.Sinker); ok {
		return x.Sinks()
	}
	return 0
}

func (c goCache) Stored() (keys, values impls.Tensor, ok bool) {
	x, ok := c.Cache.(impls.Storer)
	if ok {
		keys, values = x.Stored()
	}
	return keys, values, ok
}

// planner is a built-in cache: it knows what it ran.
type planner interface{ LastPlan() *inplace.Plan }

func (c goCache) LastPlan() *inplace.Plan {
	if x, ok := c.Cache.(planner); ok {
		return x.LastPlan()
	}
	return nil
}

func (c goCache) Failed() (f corpus.Fault, detail string) { return "", "" }
