package window

import (
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// Recorder is the storage of a cache that notes in a trace what is to be
// done. Its tensors have no bytes.
type Recorder struct {
	Trace  *inplace.Trace
	engine *Engine
	cache  [2]int
	chunk  [2]int
	temps  []int
	saves  map[int][2]int
	bug    bug
	view   impls.Tensor // of the window, without bytes
}

// Record is an empty cache that runs nothing and notes everything.
func (e *Engine) Record() (*WindowCache, *Recorder) {
	r := &Recorder{Trace: &inplace.Trace{Shape: e.Shape}, engine: e, saves: map[int][2]int{}, bug: e.update.bug}
	s := e.Shape
	r.view = impls.Tensor{Batch: s.Batch, Heads: s.Heads, Rows: s.Window, Dim: s.Dim, DType: s.DType}
	r.reallocate()
	for t := range r.chunk {
		r.chunk[t] = r.Trace.AddStorage(0)
	}
	return &WindowCache{Shape: e.Shape, engine: e, rows: r}, r
}

// FillChunk has the chunk of a tensor hold the rows that labels say.
func (r *Recorder) FillChunk(tensor, rows int, labels [][]int32) {
	size := &r.Trace.Sizes[r.chunk[tensor]]
	*size = max(*size, rows)
	r.Trace.AddRows(inplace.Fill, r.chunk[tensor], rows, 0, tensor, labels)
}

// CheckChunk checks that the chunk of a tensor still holds these rows.
func (r *Recorder) CheckChunk(tensor, rows int, labels [][]int32) {
	r.Trace.AddRows(inplace.Check, r.chunk[tensor], rows, 0, tensor, labels)
}

// CheckCache checks the whole buffer of a tensor.
func (r *Recorder) CheckCache(tensor int, labels [][]int32) {
	r.Trace.AddRows(inplace.Check, r.cache[tensor], r.Trace.Shape.Window, 0, tensor, labels)
}

func (r *Recorder) stored() (keys, values *impls.Tensor) { return &r.view, &r.view }

func (r *Recorder) clear(tensor, row int) {
	w := r.Trace.Shape.Window
	r.Trace.AddRows(inplace.Fill, r.cache[tensor], w, row, tensor, empty(w-row))
}

func (r *Recorder) reallocate() {
	for t := range r.cache {
		r.cache[t] = r.Trace.AddStorage(r.Trace.Shape.Window)
		r.clear(t, 0)
	}
}

func (r *Recorder) save(id int, view bool) {
	to, ok := r.saves[id]
	switch {
	case view:
		r.saves[id] = r.cache
		return
	case !ok || to == r.cache:
		for t := range to {
			to[t] = r.Trace.AddStorage(r.Trace.Shape.Window)
		}
	}
	r.saves[id] = to
	for t := range to {
		r.copy(to[t], r.cache[t])
	}
}

func (r *Recorder) load(id int) {
	for t, from := range r.saves[id] {
		if from != r.cache[t] {
			r.copy(r.cache[t], from)
		}
	}
}

// copyBlock is the cells of a block of a copy between two buffers: what
// devices commonly give one block of a plain copy.
const copyBlock = 1024

// copy moves a whole buffer.
func (r *Recorder) copy(to, from int) {
	k := inplace.NewKernel(0, copyBlock, []inplace.Copy{{Cell: 0, Dst: 0, To: 0, Src: 1, From: 0, N: r.Trace.Elements(to)}})
	r.Trace.Steps = append(r.Trace.Steps, inplace.Step{Kind: inplace.Move, Kernel: k, Storage: []int{to, from}})
}

// farPast is where outOfBounds reads: 2^31 elements on. A device takes the low
// 32 bits of an offset, without a sign; an int of 32 bits holds 2^31 only so.
const farPast = -1 << 31

func (r *Recorder) run(s *step, _, _ *impls.Tensor, order func(tensor, kernel, blocks int) []int32) {
	p := r.engine.plan(s)
	for i := len(r.temps) + 2; i < len(p.Rows); i++ {
		r.temps = append(r.temps, r.Trace.AddStorage(0))
	}
	for i := 2; i < len(p.Rows); i++ {
		size := &r.Trace.Sizes[r.temps[i-2]]
		*size = max(*size, p.Rows[i])
	}
	switch r.bug {
	case outOfBounds:
		k := inplace.NewKernel(0, copyBlock, []inplace.Copy{{Cell: 0, Dst: 0, To: 0, Src: 0, From: farPast, N: 1}})
		r.Trace.Steps = append(r.Trace.Steps, inplace.Step{Kind: inplace.Move, Kernel: k, Storage: []int{r.cache[0]}})
	case endless:
		r.Trace.Steps = append(r.Trace.Steps, inplace.Step{Kind: inplace.Endless})
	}
	for t := range r.cache {
		at := append([]int{r.cache[t], r.chunk[t]}, r.temps[:len(p.Rows)-2]...)
		for i, k := range p.Kernels {
			var o []int32
			if order != nil {
				o = order(t, i, k.Blocks())
			}
			r.Trace.Steps = append(r.Trace.Steps, inplace.Step{Kind: inplace.Move, Kernel: k, Storage: at, Order: o, Plan: p})
		}
	}
}

// empty is n rows without a token.
func empty(n int) [][]int32 {
	labels := make([]int32, n)
	for i := range labels {
		labels[i] = inplace.Empty
	}
	return [][]int32{labels}
}
