package inplace

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

// Trace is all that a case does to memory, in order: addresses do not depend
// on data, so what an update will do is known before it is done. Devices that
// run whole cases by themselves take traces.
type Trace struct {
	Shape impls.Shape
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

// stepKind is what a step of a trace does.
type stepKind uint8

// The kinds of steps. Move runs a kernel, Fill writes rows that name their
// origin, Check compares rows with what they should hold.
const (
	Move stepKind = iota
	Fill
	Check
	Endless // never ends
)

// Step is one step of a trace.
type Step struct {
	Kind stepKind

	// Move: the kernel, which of the trace's storages stands for each of the
	// plan's, the order of the blocks (nil for ascending), and the plan that it
	// belongs to.
	Kernel  *Kernel
	Storage []int
	Order   []int32
	Plan    *Plan

	// Fill and Check: rows From to To-1, in every lane, of storage At, which is
	// laid out as Rows rows. Labels is the serial of the token that each row
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
// t, serial p, lane l and element e is number ((p+1)·lanes+l)·dim+e modulo
// Codes; a smaller one is number Offsets[(t·lanes+l)·dim+e] + (p+1)·Stride
// modulo Codes. Number n has the bits Low+n, from Half on High+n-Half; a
// four-byte cell of values has its sign bit set as well.
type Code struct {
	Codes, Stride, Half, Low, High uint32
	Offsets                        []uint32
}

// Cell is the bits of one cell.
func (c *Code) Cell(s *impls.Shape, tensor, lane, elem int, label int32) uint32 {
	if label == Empty {
		return 0
	}
	p := uint64(label + 1)
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

// Outcome is what running a trace came to.
type Outcome struct {
	Failed bool
	Step   int // the first Check that failed; nothing after it ran
	Wrong  int // wrong cells in its rows
	First  int // the first of them, as an element offset of its storage
	// Memory is what the checked storage held then, little-endian.
	Memory []byte
}

// Elements is the number of elements of a storage.
func (s *Trace) Elements(storage int) int {
	return s.Shape.Lanes() * s.Sizes[storage] * s.Shape.Dim
}

// label is the label of a row of a lane.
func (s *Trace) label(step *Step, lane, row int) int32 {
	list := step.Labels[0]
	if len(step.Labels) > 1 {
		list = step.Labels[lane/s.Shape.Heads]
	}
	return list[row-step.From]
}

// Run runs a trace on this machine, blocks in order: what a device's outcome
// is compared with. The reading back of every cell makes it slow.
func (s *Trace) Run() Outcome {
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
		x := impls.TensorOver(s.Shape, step.Rows, mem[step.At][:s.Shape.Lanes()*step.Rows*s.Shape.RowBytes()])
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

// AddRows adds a Fill or a Check of rows of a storage that is laid out as rows
// rows, from row from on: all lanes alike, or a list of labels for each batch
// entry.
func (s *Trace) AddRows(kind stepKind, at, rows, from, tensor int, labels [][]int32) {
	s.Steps = append(s.Steps, Step{Kind: kind, At: at, Rows: rows, From: from, To: from + len(labels[0]), Tensor: tensor, Labels: labels})
}

// AddStorage adds a storage of so many rows in every lane, and returns its number.
func (s *Trace) AddStorage(rows int) int {
	s.Sizes = append(s.Sizes, rows)
	return len(s.Sizes) - 1
}

// ProgramTrace is the trace of a program: the buffers come first.
func ProgramTrace(p *Plan, s impls.Shape) *Trace {
	return &Trace{Shape: s, Sizes: append([]int(nil), p.Rows...)}
}

// Start fills a buffer of a program, CheckBuffer checks it.
func (s *Trace) Start(buffer int, labels []int32) {
	s.AddRows(Fill, buffer, s.Sizes[buffer], 0, 0, [][]int32{labels})
}

// CheckBuffer checks a buffer of a program.
func (s *Trace) CheckBuffer(buffer int, labels []int32) {
	s.AddRows(Check, buffer, s.Sizes[buffer], 0, 0, [][]int32{labels})
}

// RunKernel adds a kernel of a program's plan.
func (s *Trace) RunKernel(p *Plan, k *Kernel, order []int32) {
	all := make([]int, len(p.Rows))
	for i := range all {
		all[i] = i
	}
	s.Steps = append(s.Steps, Step{Kind: Move, Kernel: k, Storage: all, Order: order, Plan: p})
}
