package run

import (
	"context"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

// Cache is a cache of this process as the judge asks it.
func Cache(c impls.Cache) judge.Subject {
	g := newGoCache(c)
	if w, ok := c.(*window.WindowCache); ok {
		return &windowCache{*g, w}
	}
	return g
}

func newGoCache(c impls.Cache) *goCache {
	g := &goCache{Cache: c}
	g.positioner, _ = c.(impls.Positioner)
	g.masker, _ = c.(impls.Masker)
	g.sinker, _ = c.(impls.Sinker)
	g.storer, _ = c.(impls.Storer)
	return g
}

// goCache keeps what is asked after each update, nil for what the cache is not.
type goCache struct {
	impls.Cache
	positioner impls.Positioner
	masker     impls.Masker
	sinker     impls.Sinker
	storer     impls.Storer
	got        [2]impls.Tensor // what Update returned last
	shown      [2]impls.Tensor // what Stored did
}

func (c *goCache) Update(_ context.Context, keys, values *impls.Tensor) (k, v *impls.Tensor, err error) {
	c.got[0], c.got[1], err = c.Cache.Update(*keys, *values)
	return &c.got[0], &c.got[1], err
}

func (c *goCache) UpdateEach(_ context.Context, keys, values impls.Tensor, lengths []int) (k, v impls.Tensor, err error) {
	return c.Cache.(impls.RaggedUpdater).UpdateEach(keys, values, lengths)
}

func (c *goCache) UpdateLayer(_ context.Context, layer int, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	return c.Cache.(impls.Layered).UpdateLayer(layer, keys, values)
}

func (c *goCache) Layers() []int {
	if x, ok := c.Cache.(impls.Layered); ok {
		return x.Layers()
	}
	return nil
}

func (c *goCache) Reset(context.Context) { c.Cache.Reset() }

// Can implements judge.Subject.
func (c *goCache) Can(need corpus.Capability) bool { return Can(c.Cache, need) }

// What follows is asked only where the cache can do it.

func (c *goCache) Crop(_ context.Context, n int) error { return c.Cache.(impls.Cropper).Crop(n) }

func (c *goCache) CropEach(_ context.Context, lengths []int) error {
	return c.Cache.(impls.RaggedCropper).CropEach(lengths)
}

func (c *goCache) Select(_ context.Context, entries []int) error {
	return c.Cache.(impls.Selector).Select(entries)
}

func (c *goCache) Snapshot(_ context.Context, id int) error {
	return c.Cache.(impls.Snapshotter).Snapshot(id)
}

func (c *goCache) Restore(_ context.Context, id int) error {
	return c.Cache.(impls.Snapshotter).Restore(id)
}

func (c *goCache) Visible() [][][]bool {
	if c.masker == nil {
		return nil
	}
	return c.masker.Visible()
}

func (c *goCache) Positions() [][]int {
	if c.positioner == nil {
		return nil
	}
	return c.positioner.Positions()
}

func (c *goCache) Sinks() int {
	if c.sinker == nil {
		return 0
	}
	return c.sinker.Sinks()
}

func (c *goCache) Stored() (keys, values *impls.Tensor, ok bool) {
	if c.storer == nil {
		return nil, nil, false
	}
	c.shown[0], c.shown[1] = c.storer.Stored()
	return &c.shown[0], &c.shown[1], true
}

// planner is a cache that knows what it ran.
type planner interface{ LastPlan() *inplace.Plan }

func (c *goCache) LastPlan() *inplace.Plan {
	if x, ok := c.Cache.(planner); ok {
		return x.LastPlan()
	}
	return nil
}

func (c *goCache) Failed() (f corpus.Fault, detail string) { return "", "" }

// windowCache is a cache that is asked by reference.
type windowCache struct {
	goCache
	own *window.WindowCache
}

func (c *windowCache) Update(_ context.Context, keys, values *impls.Tensor) (k, v *impls.Tensor, err error) {
	return c.own.UpdateRef(keys, values)
}

func (c *windowCache) Stored() (keys, values *impls.Tensor, ok bool) {
	keys, values = c.own.StoredRef()
	return keys, values, true
}
