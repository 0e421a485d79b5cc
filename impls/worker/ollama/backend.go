package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/ollama/ollama/ml"
)

// backend is a backend for Ollama's kvcache in pure Go: Ollama's own, ggml,
// needs cgo. What moves bytes is ours: this file. Which cell a token gets, which
// range of cells is returned, what the mask hides and what is evicted is
// Ollama's. Tensors have four extents, strides in bytes, and are views of one
// memory, as ggml's; what ggml asserts, this backend panics about. Elements are
// moved, never converted, but for the zeros and infinities of a mask.
//
// It has what kvcache.Causal needs to store and to return, and no more: a method
// that is missing panics, and the worker says where (see guard).
type backend struct {
	ml.Backend
	config ml.CacheConfig
	// batch is the tokens of the pass under way: what row i of the source of a
	// SetRows stands for.
	batch []token
}

// token names a token: whose, where, and as the how manyth it was written, from
// 1 on. A token that comes again after a crop has another serial.
type token struct{ entry, pos, serial int }

// CacheConfig implements ml.BackendCacheConfig.
func (b *backend) CacheConfig() ml.CacheConfig { return b.config }

func (b *backend) NewContext() ml.Context        { return &graph{b: b} }
func (b *backend) NewContextSize(int) ml.Context { return &graph{b: b} }

// graph is a context: it collects what Forward is told, and Compute does it.
type graph struct {
	ml.Context
	b    *backend
	todo []func()
}

func (g *graph) Close()               {}
func (g *graph) Input() ml.Context    { return g }
func (g *graph) Layer(int) ml.Context { return g }

// Forward implements ml.Context.
func (g *graph) Forward(tensors ...ml.Tensor) ml.Context {
	for _, t := range tensors {
		if do := t.(*tensor).do; do != nil {
			g.todo = append(g.todo, do)
		}
	}
	return g
}

// Compute implements ml.Context.
func (g *graph) Compute(...ml.Tensor) {
	for _, do := range g.todo {
		do()
	}
	g.todo = nil
}

// Reserve implements ml.Context: there is nothing to allocate ahead.
func (g *graph) Reserve() { g.todo = nil }

// Zeros implements ml.Context.
func (g *graph) Zeros(dtype ml.DType, shape ...int) ml.Tensor { return g.b.tensor(dtype, shape) }

// FromBytes implements ml.Context.
func (g *graph) FromBytes(dtype ml.DType, b []byte, shape ...int) ml.Tensor {
	t := g.b.tensor(dtype, shape)
	if copy(t.mem.bytes, b) != len(b) || len(b) != len(t.mem.bytes) {
		panic(fmt.Sprintf("%d bytes for a tensor of %v", len(b), shape))
	}
	return t
}

// FromFloats implements ml.Context.
func (g *graph) FromFloats(s []float32, shape ...int) ml.Tensor {
	b := make([]byte, 0, 4*len(s))
	for _, x := range s {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(x))
	}
	return g.FromBytes(ml.DTypeF32, b, shape...)
}

// FromInts implements ml.Context.
func (g *graph) FromInts(s []int32, shape ...int) ml.Tensor {
	b := make([]byte, 0, 4*len(s))
	for _, x := range s {
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	}
	return g.FromBytes(ml.DTypeI32, b, shape...)
}

// memory is what tensors are views of.
type memory struct {
	bytes []byte
	// cells is which token was written last to each row of a SetRows: the cells
	// of a cache.
	cells []token
}

// tensor is a view of a memory: extents ne, strides nb in bytes, as in ggml.
type tensor struct {
	ml.Tensor
	b      *backend
	dtype  ml.DType
	ne, nb [4]int
	mem    *memory
	offset int
	do     func() // what computes it, nil if it is there already
}

func sizeOf(dtype ml.DType) int {
	switch dtype {
	case ml.DTypeF32, ml.DTypeI32:
		return 4
	case ml.DTypeF16:
		return 2
	}
	panic(fmt.Sprintf("no elements of type %d", dtype))
}

// tensor is a new one, of zeros.
func (b *backend) tensor(dtype ml.DType, shape []int) *tensor {
	for _, n := range shape {
		if n < 1 {
			panic(fmt.Sprintf("invalid shape %v", shape))
		}
	}
	t := &tensor{b: b, dtype: dtype, mem: &memory{}}
	t.dense(shape)
	t.mem.bytes = make([]byte, t.ne[3]*t.nb[3])
	return t
}

// dense gives the extents, and strides without gaps.
func (t *tensor) dense(shape []int) {
	if len(shape) < 1 || len(shape) > 4 {
		panic(fmt.Sprintf("shape %v: want 1 to 4 extents", shape))
	}
	t.ne = [4]int{1, 1, 1, 1}
	copy(t.ne[:], shape)
	at := sizeOf(t.dtype)
	for i, n := range t.ne {
		t.nb[i] = at
		at *= n
	}
}

func (t *tensor) isDense() bool {
	d := *t
	d.dense(t.ne[:])
	return d.nb == t.nb
}

func (t *tensor) elements() int { return t.ne[0] * t.ne[1] * t.ne[2] * t.ne[3] }

func (t *tensor) Dim(n int) int    { return t.ne[n] }
func (t *tensor) Stride(n int) int { return t.nb[n] }
func (t *tensor) DType() ml.DType  { return t.dtype }

// Shape implements ml.Tensor: without the last extents of 1.
func (t *tensor) Shape() []int {
	n := 4
	for n > 1 && t.ne[n-1] == 1 {
		n--
	}
	return slices.Clone(t.ne[:n])
}

// Reshape implements ml.Tensor, for tensors without gaps.
func (t *tensor) Reshape(_ ml.Context, shape ...int) ml.Tensor {
	if !t.isDense() {
		panic(fmt.Sprintf("a reshape of %v with strides %v", t.ne, t.nb))
	}
	r := *t
	r.dense(shape)
	if r.elements() != t.elements() {
		panic(fmt.Sprintf("a reshape of %v to %v", t.ne, shape))
	}
	return &r
}

// View implements ml.Tensor: shape is an extent, then strides and extents in
// turn.
func (t *tensor) View(_ ml.Context, offset int, shape ...int) ml.Tensor {
	if len(shape)%2 == 0 || len(shape) > 7 {
		panic(fmt.Sprintf("a view of shape and strides %v", shape))
	}
	v := *t
	v.ne, v.offset = [4]int{shape[0], 1, 1, 1}, t.offset+offset
	end := v.offset + (shape[0]-1)*t.nb[0]
	for i := 1; i < 4; i++ {
		v.nb[i] = v.nb[i-1] * v.ne[i-1]
		if 2*i < len(shape) {
			v.nb[i], v.ne[i] = shape[2*i-1], shape[2*i]
		}
		end += (v.ne[i] - 1) * v.nb[i]
	}
	end += sizeOf(t.dtype)
	if slices.Min(v.ne[:]) < 1 || v.offset < 0 || end > len(t.mem.bytes) {
		panic(fmt.Sprintf("a view of bytes %d to %d of %d, shape and strides %v", v.offset, end, len(t.mem.bytes), shape))
	}
	return &v
}

// Permute implements ml.Tensor: axis i becomes axis order[i], as in ggml.
func (t *tensor) Permute(_ ml.Context, order ...int) ml.Tensor {
	if sorted := slices.Sorted(slices.Values(order)); !slices.Equal(sorted, []int{0, 1, 2, 3}) {
		panic(fmt.Sprintf("permutation %v", order))
	}
	p := *t
	for i, to := range order {
		p.ne[to], p.nb[to] = t.ne[i], t.nb[i]
	}
	return &p
}

// at is where an element starts.
func (t *tensor) at(i0, i1, i2 int) int {
	return t.offset + i0*t.nb[0] + i1*t.nb[1] + i2*t.nb[2]
}

// SetRows implements ml.Tensor: row i of source becomes row index[i] here, in
// every plane. The memory notes which token the row now holds.
func (t *tensor) SetRows(_ ml.Context, source, index ml.Tensor) ml.Tensor {
	src, idx := source.(*tensor), index.(*tensor)
	if src.dtype != t.dtype || idx.dtype != ml.DTypeI32 {
		panic(fmt.Sprintf("rows of type %d at indices of type %d into a tensor of type %d", src.dtype, idx.dtype, t.dtype))
	}
	if src.ne[0] != t.ne[0] || src.ne[2] != t.ne[2] || src.ne[3] != 1 || t.ne[3] != 1 || idx.ne != [4]int{src.ne[1], 1, 1, 1} {
		panic(fmt.Sprintf("rows %v at indices %v into %v", src.ne, idx.ne, t.ne))
	}
	r := *t
	r.do = func() {
		if t.mem.cells == nil {
			t.mem.cells = make([]token, t.ne[1])
		}
		size := sizeOf(t.dtype)
		for i := range src.ne[1] {
			to := int(int32(binary.LittleEndian.Uint32(idx.mem.bytes[idx.at(i, 0, 0):])))
			if to < 0 || to >= t.ne[1] {
				panic(fmt.Sprintf("row %d of %d", to, t.ne[1]))
			}
			for plane := range t.ne[2] {
				for e := range t.ne[0] {
					copy(t.mem.bytes[t.at(e, to, plane):][:size], src.mem.bytes[src.at(e, i, plane):])
				}
			}
			t.mem.cells[to] = t.b.batch[i]
		}
	}
	return &r
}

// Cast implements ml.Tensor, for a mask.
func (t *tensor) Cast(_ ml.Context, dtype ml.DType) ml.Tensor {
	if t.dtype != ml.DTypeF32 || dtype != ml.DTypeF16 || !t.isDense() {
		panic(fmt.Sprintf("a cast of type %d to %d", t.dtype, dtype))
	}
	c := t.b.tensor(dtype, t.ne[:])
	for i := range t.elements() {
		half := uint16(0)
		switch x := t.float(i, 0); {
		case math.IsInf(float64(x), -1):
			half = 0xfc00
		case x != 0:
			panic(fmt.Sprintf("a cast of %v", x))
		}
		binary.LittleEndian.PutUint16(c.mem.bytes[2*i:], half)
	}
	return c
}

// float is an element of a mask.
func (t *tensor) float(i0, i1 int) float32 {
	b := t.mem.bytes[t.offset+i0*t.nb[0]+i1*t.nb[1]:]
	if t.dtype == ml.DTypeF32 {
		return math.Float32frombits(binary.LittleEndian.Uint32(b))
	}
	switch half := binary.LittleEndian.Uint16(b); half {
	case 0:
		return 0
	case 0xfc00:
		return float32(math.Inf(-1))
	default:
		panic(fmt.Sprintf("a mask with %#04x", half))
	}
}
