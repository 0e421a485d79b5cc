package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Hybrid is the cache of a model whose layers alternate between a window and none, as
// Gemma's and gpt-oss's do. One length holds for all layers of an entry, and what is
// cropped, chosen or saved is so in all of them.
type Hybrid struct {
	batch[*stack]
	next, q int // whose turn it is, with a chunk of q tokens
}

// NewHybrid makes an empty cache of four layers: window, none, window, none.
func NewHybrid(s impls.Shape) (*Hybrid, error) { return ready(&Hybrid{}, s) }

// Layers implements impls.Layered.
func (c *Hybrid) Layers() []int { return []int{c.shape.Window, 0, c.shape.Window, 0} }

// Reset implements impls.Cache.
func (c *Hybrid) Reset() {
	c.next = 0
	c.begin(func() *stack { return &stack{[]*beam{{}, {}, {}, {}}} })
}

// Update implements impls.Cache. A model's chunk is no Update.
func (c *Hybrid) Update(_, _ impls.Tensor) (impls.Tensor, impls.Tensor, error) {
	return impls.Tensor{}, impls.Tensor{}, refuse("update", "a chunk of a model goes layer by layer: call UpdateLayer")
}

// UpdateLayer implements impls.Layered. It refuses a layer whose turn it is not, and
// other numbers of rows than the layers before had.
func (c *Hybrid) UpdateLayer(layer int, keys, values impls.Tensor) (impls.Tensor, impls.Tensor, error) {
	if err := checkChunk(c.shape, len(c.now), &keys, &values); err != nil {
		return impls.Tensor{}, impls.Tensor{}, err
	}
	if layer != c.next || layer > 0 && keys.Rows != c.q {
		return impls.Tensor{}, impls.Tensor{}, refuse("update", "%d rows for layer %d; it is the turn of layer %d", keys.Rows, layer, c.next)
	}
	var lists [][]held
	for b, x := range c.now {
		one, lo := x.layers[layer], 0
		if w := c.Layers()[layer]; w > 0 {
			lo = oldest(one.n, w)
			one.slide(w)
		}
		for r := range keys.Rows {
			one.append(take(&keys, &values, b, r))
		}
		lists = append(lists, one.rows(lo))
	}
	c.q, c.next = keys.Rows, (layer+1)%len(c.Layers())
	c.midway = c.next > 0
	k, v, _ := gather(c.shape, lists)
	return k, v, nil
}

// stack is one entry: its tokens in each layer.
type stack struct{ layers []*beam }

func (s *stack) tokens() int { return s.layers[0].n }

func (s *stack) holds(lo, hi int) bool {
	return !slices.ContainsFunc(s.layers, func(x *beam) bool { return !x.holds(lo, hi) })
}

func (s *stack) crop(n int) {
	for _, x := range s.layers {
		x.crop(n)
	}
}

func (s *stack) clone() *stack { return &stack{cloneAll(s.layers)} }

func (*stack) drop() {}
