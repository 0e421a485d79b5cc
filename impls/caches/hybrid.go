package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Hybrid is the cache of a model whose layers alternate between a window and none,
// as Gemma's and gpt-oss's do. What is cropped, chosen or saved is so in all of them.
type Hybrid struct {
	layers  []*Beams
	next, q int // in the middle of a chunk of q tokens, it is the turn of layer next
}

// NewHybrid makes an empty cache of four layers: window, none, window, none.
func NewHybrid(s impls.Shape) (*Hybrid, error) {
	all := s
	all.Window = impls.MaxExtent
	return ready(&Hybrid{layers: []*Beams{{shape: s}, {shape: all}, {shape: s}, {shape: all}}}, s)
}

// Layers implements impls.Layered.
func (c *Hybrid) Layers() []int { w := c.layers[0].shape.Window; return []int{w, 0, w, 0} }

// Reset implements impls.Cache.
func (c *Hybrid) Reset() {
	for _, l := range c.layers {
		l.Reset()
	}
	c.next = 0
}

// Update implements impls.Cache. A model's chunk is no Update.
func (c *Hybrid) Update(_, _ impls.Tensor) (k, v impls.Tensor, err error) {
	return k, v, refuse("update", "a chunk of a model goes layer by layer: call UpdateLayer")
}

// UpdateLayer implements impls.Layered.
func (c *Hybrid) UpdateLayer(layer int, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if layer != c.next || layer > 0 && keys.Rows != c.q {
		return k, v, refuse("update", "%d rows for layer %d, it is the turn of layer %d", keys.Rows, layer, c.next)
	}
	if k, v, err = c.layers[layer].Update(keys, values); err == nil {
		c.q, c.next = keys.Rows, (layer+1)%len(c.layers)
	}
	return k, v, err
}

// all does an operation on every layer. What one refuses, layer 0 refuses first: none
// holds less.
func (c *Hybrid) all(do func(*Beams) error) error {
	if c.next != 0 {
		return refuse("operation", "in the middle of a chunk: layer %d has not had its part", c.next)
	}
	for _, l := range c.layers {
		if err := do(l); err != nil {
			return err
		}
	}
	return nil
}

// Select implements impls.Selector.
func (c *Hybrid) Select(entries []int) error {
	return c.all(func(l *Beams) error { return l.Select(entries) })
}

// Crop implements impls.Cropper.
func (c *Hybrid) Crop(n int) error {
	return c.all(func(l *Beams) error { return l.CropEach(slices.Repeat([]int{n}, len(l.now))) })
}

// Snapshot and Restore implement impls.Snapshotter.
func (c *Hybrid) Snapshot(id int) error { return c.all(func(l *Beams) error { return l.Snapshot(id) }) }

func (c *Hybrid) Restore(id int) error { return c.all(func(l *Beams) error { return l.Restore(id) }) }
