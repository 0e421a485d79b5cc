package impls

// Script is all that a case does to memory, in order: addresses do not depend
// on data, so what an update will do is known before it is done. Devices that
// run whole cases by themselves take scripts.
type Script struct {
	Shape Shape
	Code  Code
	Sizes []int // rows of each storage, in every lane
	Steps []Step
	// Native leaves the order of the blocks to the device; else each kernel's
	// blocks run in the order of its step.
	Native bool
	// Graph has the kernels of one update captured once and replayed
	// whenever the same plan comes again.
	Graph bool
}

// StepKind is what a step of a script does.
type StepKind uint8

// The kinds of steps. Move runs a kernel, Fill writes rows that name their
// origin, Check compares rows with what they should hold.
const (
	Move StepKind = iota
	Fill
	Check
	Endless // never ends
)

// Step is one step of a script.
type Step struct {
	Kind StepKind

	// Move: the kernel, which of the script's storages stands for each of the
	// plan's, the order of the blocks (nil for ascending), and the plan that it
	// belongs to.
	Kernel  *Kernel
	Storage []int
	Order   []int32
	Plan    *Plan

	// Fill and Check: rows From to To-1, in every lane, of storage At, which is
	// laid out as Rows rows. Labels is the position of the token that each row
	// holds, or Padding, or Empty: one list for all lanes, or one for each
	// batch entry. Tensor is 0 for keys and 1 for values.
	At, Rows, From, To int
	Tensor             int
	Labels             [][]int32
}

// Labels of rows that hold no token of the sequence.
const (
	Padding int32 = -1 // left padding: a token like any other, alike everywhere
	Empty   int32 = -2 // zeros
)

// Code says in closed form which bits a cell has. A four-byte cell of tensor
// t, position p, lane l and element e is number ((p+1)·lanes+l)·dim+e modulo
// Codes; a smaller one is number Offsets[(t·lanes+l)·dim+e] + (p+1)·Stride
// modulo Codes. Number n has the bits Low+n, from Half on High+n-Half; a
// four-byte cell of values has its sign bit set as well.
type Code struct {
	Codes, Stride, Half, Low, High uint32
	Offsets                        []uint32
}

// Cell is the bits of one cell; position is a label.
func (c *Code) Cell(s *Shape, tensor, lane, elem int, position int32) uint32 {
	if position == Empty {
		return 0
	}
	p := uint64(position + 1)
	lanes, dim := uint64(s.Lanes()), uint64(s.Dim)
	if s.DType.Size() == 4 {
		n := ((p*lanes+uint64(lane))*dim + uint64(elem)) % uint64(c.Codes)
		return uint32(tensor)<<31 | c.Low + uint32(n)
	}
	at := (tensor*s.Lanes()+lane)*s.Dim + elem
	n := uint32((uint64(c.Offsets[at]) + p*uint64(c.Stride)) % uint64(c.Codes))
	if n >= c.Half {
		return c.High + n - c.Half
	}
	return c.Low + n
}

// Outcome is what running a script came to.
type Outcome struct {
	Failed bool
	Step   int // the first Check that failed; nothing after it ran
	Wrong  int // wrong cells in its rows
	First  int // the first of them, as an element offset of its storage
	// Memory is what the checked storage held then, little-endian.
	Memory []byte
}

// Elements is the number of elements of a storage.
func (s *Script) Elements(storage int) int {
	return s.Shape.Lanes() * s.Sizes[storage] * s.Shape.Dim
}

// label is the label of a row of a lane.
func (s *Script) label(step *Step, lane, row int) int32 {
	list := step.Labels[0]
	if len(step.Labels) > 1 {
		list = step.Labels[lane/s.Shape.Heads]
	}
	return list[row-step.From]
}

// Run runs a script on this machine, blocks in order: what a device's outcome
// is compared with. The reading back of every cell makes it slow.
func (s *Script) Run() Outcome {
	size := s.Shape.DType.Size()
	mem := make([][]byte, len(s.Sizes))
	for i := range mem {
		mem[i] = make([]byte, s.Elements(i)*size)
	}
	var sim Sim
	var local [][]byte
	for i := range s.Steps {
		step := &s.Steps[i]
		if step.Kind == Move {
			local = local[:0]
			for _, at := range step.Storage {
				local = append(local, mem[at])
			}
			sim.Run(step.Kernel, local, size, step.Order)
			continue
		}
		out := Outcome{Step: i, First: -1}
		x := tensorOver(s.Shape, step.Rows, mem[step.At])
		for lane := range x.Lanes() {
			for row := step.From; row < step.To; row++ {
				cells := x.Row(lane, row)
				for e := range x.Dim {
					bits := s.Code.Cell(&s.Shape, step.Tensor, lane, e, s.label(step, lane, row))
					for b := range size {
						cell := &cells[e*size+b]
						want := byte(bits >> (8 * b))
						if step.Kind == Fill {
							*cell = want
						} else if *cell != want {
							out.Wrong++
							at := (lane*x.LaneStride+row*x.RowStride)/size + e
							if out.First < 0 || at < out.First {
								out.First = at
							}
							break
						}
					}
				}
			}
		}
		if out.Wrong > 0 {
			out.Failed, out.Memory = true, mem[step.At][:x.Lanes()*x.Rows*x.RowBytes()]
			return out
		}
	}
	return Outcome{}
}

// Rows of a storage, for Fill and Check: all lanes alike, or a list for each
// batch entry.
func (s *Script) rows(kind StepKind, at, rows, from, tensor int, labels [][]int32) {
	s.Steps = append(s.Steps, Step{Kind: kind, At: at, Rows: rows, From: from, To: from + len(labels[0]), Tensor: tensor, Labels: labels})
}

// store adds a storage.
func (s *Script) store(rows int) int {
	s.Sizes = append(s.Sizes, rows)
	return len(s.Sizes) - 1
}

// empty is n rows without a token.
func empty(n int) [][]int32 {
	labels := make([]int32, n)
	for i := range labels {
		labels[i] = Empty
	}
	return [][]int32{labels}
}

// ProgramScript is the script of a program: the buffers come first.
func ProgramScript(p *Plan, s Shape) *Script {
	return &Script{Shape: s, Sizes: append([]int(nil), p.Rows...)}
}

// Start fills a buffer of a program, CheckBuffer checks it.
func (s *Script) Start(buffer int, labels []int32) {
	s.rows(Fill, buffer, s.Sizes[buffer], 0, 0, [][]int32{labels})
}

// CheckBuffer checks a buffer of a program.
func (s *Script) CheckBuffer(buffer int, labels []int32) {
	s.rows(Check, buffer, s.Sizes[buffer], 0, 0, [][]int32{labels})
}

// RunKernel adds a kernel of a program's plan.
func (s *Script) RunKernel(p *Plan, k *Kernel, order []int32) {
	all := make([]int, len(p.Rows))
	for i := range all {
		all[i] = i
	}
	s.Steps = append(s.Steps, Step{Kind: Move, Kernel: k, Storage: all, Order: order, Plan: p})
}

// Recorder is the storage of a cache that notes in a script what is to be
// done. Its tensors have no bytes.
type Recorder struct {
	Script *Script
	cache  [2]int
	chunk  [2]int
	temps  []int
	saves  map[int][2]int
	fault  fault
}

// Record is an empty cache that runs nothing and notes everything.
func (e *Engine) Record() (*WindowCache, *Recorder) {
	r := &Recorder{Script: &Script{Shape: e.Shape}, saves: map[int][2]int{}, fault: e.update.fault}
	r.anew()
	for t := range r.chunk {
		r.chunk[t] = r.Script.store(0)
	}
	return &WindowCache{Shape: e.Shape, engine: e, rows: r}, r
}

// FillChunk has the chunk of a tensor hold the rows that labels say.
func (r *Recorder) FillChunk(tensor, rows int, labels [][]int32) {
	size := &r.Script.Sizes[r.chunk[tensor]]
	*size = max(*size, rows)
	r.Script.rows(Fill, r.chunk[tensor], rows, 0, tensor, labels)
}

// CheckChunk checks that the chunk of a tensor still holds these rows.
func (r *Recorder) CheckChunk(tensor, rows int, labels [][]int32) {
	r.Script.rows(Check, r.chunk[tensor], rows, 0, tensor, labels)
}

// CheckCache checks the whole buffer of a tensor.
func (r *Recorder) CheckCache(tensor int, labels [][]int32) {
	r.Script.rows(Check, r.cache[tensor], r.Script.Shape.Window, 0, tensor, labels)
}

func (r *Recorder) stored() (keys, values Tensor) {
	t := tensorOver(r.Script.Shape, r.Script.Shape.Window, nil)
	return t, t
}

func (r *Recorder) renew() { r.clear(0, 0); r.clear(1, 0); clear(r.saves) }

func (r *Recorder) clear(tensor, row int) {
	w := r.Script.Shape.Window
	r.Script.rows(Fill, r.cache[tensor], w, row, tensor, empty(w-row))
}

func (r *Recorder) anew() {
	for t := range r.cache {
		r.cache[t] = r.Script.store(r.Script.Shape.Window)
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
			to[t] = r.Script.store(r.Script.Shape.Window)
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
	k := NewKernel(0, copyBlock, []Copy{{Cell: 0, Dst: 0, To: 0, Src: 1, From: 0, N: r.Script.Elements(to)}})
	r.Script.Steps = append(r.Script.Steps, Step{Kind: Move, Kernel: k, Storage: []int{to, from}})
}

// farPast is where outOfBounds reads: 2^31 elements on. A device takes the low
// 32 bits of an offset, without a sign; an int of 32 bits holds 2^31 only so.
const farPast = -1 << 31

func (r *Recorder) run(p *Plan, _, _ *Tensor, order func(tensor, kernel, blocks int) []int32) {
	for i := len(r.temps) + 2; i < len(p.Rows); i++ {
		r.temps = append(r.temps, r.Script.store(0))
	}
	for i := 2; i < len(p.Rows); i++ {
		size := &r.Script.Sizes[r.temps[i-2]]
		*size = max(*size, p.Rows[i])
	}
	switch r.fault {
	case outOfBounds:
		k := NewKernel(0, copyBlock, []Copy{{Cell: 0, Dst: 0, To: 0, Src: 0, From: farPast, N: 1}})
		r.Script.Steps = append(r.Script.Steps, Step{Kind: Move, Kernel: k, Storage: []int{r.cache[0]}})
	case endless:
		r.Script.Steps = append(r.Script.Steps, Step{Kind: Endless})
	}
	for t := range r.cache {
		at := append([]int{r.cache[t], r.chunk[t]}, r.temps[:len(p.Rows)-2]...)
		for i, k := range p.Kernels {
			var o []int32
			if order != nil {
				o = order(t, i, k.blocks)
			}
			r.Script.Steps = append(r.Script.Steps, Step{Kind: Move, Kernel: k, Storage: at, Order: o, Plan: p})
		}
	}
}
