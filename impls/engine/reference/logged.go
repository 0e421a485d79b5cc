package reference

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/caches"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// kind is a kind of cache: how to make one, and what chunks it takes.
type kind struct {
	name string // as the target of a case says it
	make func(impls.Shape) (impls.Cache, error)
	// cut is how many of the next q tokens, after n, go into one chunk.
	cut func(n, q, window int) int
	// order is the schedule of a case.
	order inplace.Schedule
}

func whole(_, q, _ int) int { return q }

// fills cuts at the end of the window, from where on tokens come one by one.
func fills(n, q, window int) int {
	if n < window {
		return min(q, window-n)
	}
	return 1
}

// fillsOrLong is fills, but for a first chunk that is longer than the window.
func fillsOrLong(n, q, window int) int {
	if n == 0 {
		return q
	}
	return fills(n, q, window)
}

// fullKind is the cache of a layer without a window.
var fullKind = &kind{
	name: "cache", cut: whole,
	make: func(s impls.Shape) (impls.Cache, error) { return newEverything(s), nil },
}

// newKind finds a built-in cache by what a case calls it: go/NAME, or an update in the
// form of roll/drop-war/sim, whose blocks of one cell each then run in the order that is
// given.
func newKind(name string, order inplace.Schedule) (*kind, error) {
	t, err := window.ParseTarget(name)
	if err != nil {
		return nil, err
	}
	k := &kind{name: name, cut: whole}
	if t.Device == window.Go {
		i, _ := window.LookupCache(t.Update)
		switch {
		case i.Narrow:
			k.cut = fillsOrLong
		case slices.Contains(i.Without, "crossing"):
			k.cut = fills
		case i.MaxChunk != nil:
			k.cut = func(_, q, window int) int { return min(q, i.MaxChunk(window)) }
		}
		k.make = func(s impls.Shape) (impls.Cache, error) { return caches.New(i.Name, s) }
		return k, nil
	}
	if t.IsProgram() || t.Foreign() || window.OnGPU(t.Device) {
		return nil, fmt.Errorf("%s is no cache of this process: want go/NAME or UPDATE/LOWERING/sim or host", name)
	}
	k.cut, k.order = fillsOrLong, order
	k.make = func(s impls.Shape) (impls.Cache, error) {
		c, err := window.New(t, s, 1)
		if err == nil && order.Kind != inplace.Native {
			c.Order = func(_, _, blocks int) []int32 { return order.Order(blocks) }
		}
		return c, err
	}
	return k, nil
}

// logged is a cache, and what was done to it since it was last empty.
type logged struct {
	kind  *kind
	shape impls.Shape
	cache impls.Cache
	ops   []string
}

func (c *logged) reset() {
	c.cache.Reset()
	c.ops = nil
}

func (c *logged) append(keys, values impls.Tensor, lengths []int) (k, v impls.Tensor, err error) {
	if u, ok := c.cache.(impls.RaggedUpdater); ok && len(lengths) > 1 {
		k, v, err = u.UpdateEach(keys, values, lengths)
	} else {
		k, v, err = c.cache.Update(keys, values)
	}
	if err == nil {
		c.ops = append(c.ops, "append "+list(lengths))
	}
	return k, v, err
}

func (c *logged) crop(lengths []int) (err error) {
	switch x := c.cache.(type) {
	case impls.RaggedCropper:
		err = x.CropEach(lengths)
	case impls.Cropper:
		err = x.Crop(lengths[0])
	default:
		return &impls.RefusedError{Op: "crop", Reason: c.kind.name + " crops nothing"}
	}
	if err == nil {
		c.ops = append(c.ops, "crop "+list(lengths))
	}
	return err
}

func (c *logged) choose(entries []int) error {
	err := c.cache.(impls.Selector).Select(entries)
	if err == nil {
		c.ops = append(c.ops, "select "+list(entries))
	}
	return err
}

// list is numbers as a case has them: one for all where they are equal does for no
// select, so each is written out.
func list(numbers []int) string {
	var b strings.Builder
	for i, n := range numbers {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(n))
	}
	return b.String()
}

// view is the rows of a batch entry of what Update returned, and which tokens they
// claim to hold.
func (c *logged) view(layer int, p part, entry int, keys, values *impls.Tensor) *view {
	heads, dim := keys.Heads, keys.Dim
	w := &view{request: p.request, layer: layer, first: p.first, n: p.n, at: p.at, rows: keys.Rows}
	w.keys, w.values = make([]float32, w.rows*heads*dim), make([]float32, w.rows*heads*dim)
	for r := range w.rows {
		for h := range heads {
			at := (r*heads + h) * dim
			decode(w.keys[at:at+dim], keys.Row(entry*heads+h, r), keys.DType)
			decode(w.values[at:at+dim], values.Row(entry*heads+h, r), values.DType)
		}
	}
	if x, ok := c.cache.(impls.Positioner); ok {
		w.positions = pick(x.Positions(), entry)
	}
	if w.positions == nil {
		w.positions = inOrder(w.rows, p.first+p.n)
	}
	if x, ok := c.cache.(impls.Masker); ok {
		w.visible = pick(x.Visible(), entry)
	}
	return w
}

// pick is the list of a batch entry, of lists of which a single one is for all.
func pick[T any](lists [][]T, entry int) []T {
	if len(lists) == 0 {
		return nil
	}
	return lists[min(entry, len(lists)-1)]
}

// inOrder is the positions in rows after so many tokens, where the cache says none: all
// tokens and then empty rows, or the newest, oldest first.
func inOrder(rows, tokens int) []int {
	at := make([]int, rows)
	for r := range at {
		switch {
		case rows < tokens:
			at[r] = tokens - rows + r
		case r < tokens:
			at[r] = r
		default:
			at[r] = -1
		}
	}
	return at
}

// text is what was done as a case of the cache alone.
func (c *logged) text() string {
	var b strings.Builder
	s := c.shape
	fmt.Fprintf(&b, "slidefuzz case v1\nshape batch=1 heads=%d window=%d dim=%d dtype=%s layout=heads-first\ntarget %s\nblock 1\nschedule %s\n", s.Heads, s.Window, s.Dim, s.DType, c.kind.name, c.kind.order)
	for _, op := range c.ops {
		b.WriteString(op + "\n")
	}
	return b.String()
}
