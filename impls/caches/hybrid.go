package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Hybrid is the cache of a model whose layers alternate between a window and none,
// as Gemma's and gpt-oss's do. One length holds for all layers, and what is cropped,
// chosen or saved is so in all of them.
type Hybrid struct {
	hook
	shape  impls.Shape
	layers []int
	snapshots[layers]
}

// NewHybrid makes an empty cache of four layers: window, none, window, none.
func NewHybrid(s impls.Shape) (*Hybrid, error) {
	return ready(&Hybrid{shape: s, layers: []int{s.Window, 0, s.Window, 0}}, s)
}

// Layers implements impls.Layered.
func (c *Hybrid) Layers() []int { return slices.Clone(c.layers) }

// Reset implements impls.Cache.
func (c *Hybrid) Reset() {
	c.now = layers{batch: c.shape.Batch, rows: make([][][]row, len(c.layers)), first: make([]int, len(c.layers))}
	for l := range c.layers {
		c.now.rows[l] = make([][]row, c.shape.Batch)
	}
}

// Update implements impls.Cache. A model's chunk is no Update.
func (c *Hybrid) Update(_, _ impls.Tensor) (impls.Tensor, impls.Tensor, error) {
	return impls.Tensor{}, impls.Tensor{}, refuse("update", "a chunk of a model goes layer by layer: call UpdateLayer")
}

// UpdateLayer implements impls.Layered. It refuses a layer whose turn it is not, and
// other numbers of rows than the layers before had. Layers with a window keep Window
// tokens more than queries see, for crops.
func (c *Hybrid) UpdateLayer(layer int, keys, values impls.Tensor) (impls.Tensor, impls.Tensor, error) {
	s := &c.now
	if err := checkChunk(c.shape, s.batch, &keys, &values); err != nil {
		return impls.Tensor{}, impls.Tensor{}, err
	}
	if layer != s.next || layer > 0 && keys.Rows != s.q {
		return impls.Tensor{}, impls.Tensor{}, refuse("update", "%d rows for layer %d; it is the turn of layer %d", keys.Rows, layer, s.next)
	}
	w, n, lo := c.layers[layer], s.n+keys.Rows, 0
	if w > 0 {
		lo = oldest(s.n, w)
	}
	k, v := pair(c.shape, s.batch, n-lo)
	for b := range s.batch {
		list := s.rows[layer][b]
		for r := range keys.Rows {
			list = append(list, take(&keys, &values, b, r))
		}
		for p := max(lo, s.first[layer]); p < n; p++ {
			list[p-s.first[layer]].put(&k, &v, b, p-lo)
		}
		s.rows[layer][b] = list
	}
	if w > 0 {
		s.evict(layer, oldest(n, 2*w))
	}
	s.q, s.next = keys.Rows, (layer+1)%len(c.layers)
	if s.next == 0 {
		s.n = n
	}
	return k, v, nil
}
