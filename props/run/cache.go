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

func (c goCache) UpdateEach(_ context.Context, keys, values impls.Tensor, lengths []int) (k, v impls.Tensor, err error) {
	return c.Cache.(impls.RaggedUpdater).UpdateEach(keys, values, lengths)
}

func (c goCache) UpdateLayer(_ context.Context, layer int, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	return c.Cache.(impls.Layered).UpdateLayer(layer, keys, values)
}

func (c goCache) Layers() []int {
	if x, ok := c.Cache.(impls.Layered); ok {
		return x.Layers()
	}
	return nil
}

func (c goCache) Reset(context.Context) { c.Cache.Reset() }

// Can implements judge.Subject.
func (c goCache) Can(need corpus.Capability) bool { return Can(c.Cache, need) }

// What follows is asked only where the cache can do it.

func (c goCache) Crop(_ context.Context, n int) error { return c.Cache.(impls.Cropper).Crop(n) }

func (c goCache) CropEach(_ context.Context, lengths []int) error {
	return c.Cache.(impls.RaggedCropper).CropEach(lengths)
}

func (c goCache) Select(_ context.Context, entries []int) error {
	return c.Cache.(impls.Selector).Select(entries)
}

func (c goCache) Snapshot(_ context.Context, id int) error {
	return c.Cache.(impls.Snapshotter).Snapshot(id)
}

func (c goCache) Restore(_ context.Context, id int) error {
	return c.Cache.(impls.Snapshotter).Restore(id)
}

func (c goCache) Visible() [][][]bool {
	if x, ok := c.Cache.(impls.Masker); ok {
		return x.Visible()
	}
	return nil
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
