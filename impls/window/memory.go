package window

import (
	"unsafe"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// memory is rows as bytes that a Device works on.
type memory struct {
	engine *Engine
	shape  impls.Shape
	device inplace.Device
	sim    *inplace.Sim // the device, nil if it is another
	room   [2][]byte    // of which the buffers are the beginning
	bufs   [2][]byte
	views  [2]impls.Tensor
	stage  [2][]byte
	mem    [][]byte // the storages of a program
	// temporary is the bytes of each of them that is a temporary.
	temporary int
	saves     map[int][2][]byte
	// captured is which buffers a program was first run on: an engine that
	// replays a captured graph goes on using those. Nil for all others.
	captured map[*step][2][]byte
}

func newMemory(e *Engine, d inplace.Device) *memory {
	m := &memory{device: d}
	m.sim, _ = d.(*inplace.Sim)
	m.empty(e)
	return m
}

// empty makes everything what it is in a new cache of an engine.
func (m *memory) empty(e *Engine) {
	m.engine, m.shape = e, e.Shape
	n := m.shape.Lanes() * m.shape.Window * m.shape.RowBytes()
	for i := range m.bufs {
		if len(m.room[i]) < n {
			m.room[i] = make([]byte, n)
		}
		m.bufs[i] = m.room[i][:n:n]
		clear(m.bufs[i])
		m.views[i] = impls.TensorOver(m.shape, m.shape.Window, m.bufs[i])
	}
	clear(m.saves)
	m.captured = nil
	if e.update.bug == newBuffers {
		m.captured = map[*step][2][]byte{}
	}
	if !e.Target.Lowering.Sound() {
		// It may read a temporary before it is written: the same each time. The first two
		// are the cache and the caller's chunk.
		for i := 2; i < len(m.mem); i++ {
			clear(m.mem[i])
		}
	}
}

func (m *memory) reallocate() {
	for i := range m.bufs {
		m.room[i] = make([]byte, len(m.bufs[i]))
		m.bufs[i] = m.room[i]
		m.views[i] = impls.TensorOver(m.shape, m.shape.Window, m.bufs[i])
	}
}

func (m *memory) stored() (keys, values *impls.Tensor) { return &m.views[0], &m.views[1] }

func (m *memory) clear(tensor, row int) {
	if row == 0 {
		clear(m.bufs[tensor])
		return
	}
	x := &m.views[tensor]
	for lane := range x.Lanes() {
		for r := row; r < x.Rows; r++ {
			clear(x.Row(lane, r))
		}
	}
}

func (m *memory) save(id int, view bool) {
	if m.saves == nil {
		m.saves = map[int][2][]byte{}
	}
	s := m.bufs
	if !view {
		for i := range s {
			s[i] = append([]byte(nil), m.bufs[i]...)
		}
	}
	m.saves[id] = s
}

func (m *memory) load(id int) {
	for i := range m.bufs {
		copy(m.bufs[i], m.saves[id][i])
	}
}

// run runs a program on keys, then on values. All its storages but the
// cache and the chunk are temporaries, which keys and values share.
func (m *memory) run(s *step, keys, values *impls.Tensor, order func(tensor, kernel, blocks int) []int32) {
	chunks := [2][]byte{m.dense(keys, 0), m.dense(values, 1)}
	m.temporaries(s)
	bufs := m.bufs
	if m.captured != nil {
		if first, ok := m.captured[s]; ok {
			bufs = first
		}
		m.captured[s] = bufs
	}
	if order == nil && m.sim != nil && s.moves != nil {
		for t := range bufs {
			m.mem[0], m.mem[1] = bufs[t], chunks[t]
			m.sim.RunMoves(s.moves, &m.shape, m.mem)
		}
		return
	}
	size := m.shape.DType.Size()
	for t := range bufs {
		m.mem[0], m.mem[1] = bufs[t], chunks[t]
		for i, k := range m.engine.plan(s).Kernels {
			var o []int32
			if order != nil {
				o = order(t, i, k.Blocks())
			}
			m.device.Run(k, m.mem, size, o)
		}
	}
}

// temporaries makes room for the storages of a program. What was in them stays, as it does
// where there is room already.
func (m *memory) temporaries(s *step) {
	n := s.most * m.shape.Lanes() * m.shape.RowBytes()
	if s.storages <= len(m.mem) && n <= m.temporary {
		return
	}
	m.temporary = max(n, m.temporary)
	old := m.mem
	m.mem = make([][]byte, max(s.storages, len(old)))
	for i := 2; i < len(m.mem); i++ {
		m.mem[i] = make([]byte, m.temporary)
		if i < len(old) {
			copy(m.mem[i], old[i])
		}
	}
}

// dense is the bytes of a chunk as the plan expects them: the chunk's own, or
// a copy where its strides differ or where it is a view of this cache's
// buffers, which are read before they are written.
func (m *memory) dense(t *impls.Tensor, which int) []byte {
	n := t.Lanes() * t.Rows * t.RowBytes()
	if isDense(t, m.shape.Layout) && len(t.Data) >= n && !overlaps(t.Data, m.bufs[0]) && !overlaps(t.Data, m.bufs[1]) {
		return t.Data[:n]
	}
	if len(m.stage[which]) < n {
		m.stage[which] = make([]byte, n)
	}
	s := impls.TensorOver(m.shape, t.Rows, m.stage[which][:n])
	for lane := range s.Lanes() {
		for r := range s.Rows {
			copy(s.Row(lane, r), t.Row(lane, r))
		}
	}
	return s.Data
}

// isDense reports whether t is laid out as NewTensor would lay it out.
func isDense(t *impls.Tensor, layout impls.Layout) bool {
	if layout == impls.TokensFirst {
		return t.LaneStride == t.RowBytes() && t.RowStride == t.Lanes()*t.RowBytes()
	}
	return t.RowStride == t.RowBytes() && (t.LaneStride == t.Rows*t.RowBytes() || t.Lanes() == 1)
}

// overlaps reports whether two byte slices share memory.
func overlaps(a, b []byte) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	p, q := uintptr(unsafe.Pointer(&a[0])), uintptr(unsafe.Pointer(&b[0]))
	return p < q+uintptr(len(b)) && q < p+uintptr(len(a))
}
