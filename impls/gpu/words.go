package gpu

import (
	"fmt"
	"sync"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// The layout of the records, as kernel.cl has it.
const (
	slotWords   = 16
	stepWords   = 16
	stateWords  = 4
	ticketWords = 16
	emptyLabel  = ^uint32(0)
)

// The words of a step that Go reads again.
const (
	stepKind   = 0
	stepEnd    = 1
	stepBlocks = 2
)

// checked is the bytes of the arena that a Check step of a slot looks at.
func checked(words []uint32, slot, step uint32) (at, bytes int64) {
	s := words[slotWords*slot:]
	w := words[s[2]+stepWords*step:]
	size := int64(s[1])
	return 16*int64(s[0]) + size*int64(w[3]), size * int64(s[5]) * int64(w[12]) * int64(s[6])
}

// checkBlock is the cells of a block that fills or checks rows: enough that
// reading the step's record is a small part of it. A check of a gigabyte is
// then some thousand blocks, enough for any device, and a small trace's check
// is one block.
const checkBlock = 1 << 16

// batch is traces as the kernel reads them.
type batch struct {
	traces []*inplace.Trace
	words  []uint32
	groups []uint32  // the slot that each group works for
	blocks [][]int   // of each step of each trace
	base   [][]int64 // byte offset of each storage, of each trace
	memory int64     // bytes of the arena
	// The labels that were written last, and where.
	labels   *[]int32
	labelsAt int
	// Of the slot under way: where its copies and orders are, and its steps.
	copies map[moveKey]uint32
	orders map[*int32]uint32
	steps  []uint32
	err    error // the first extent that 32 bits do not hold
}

// maxWords bounds a batch's records, 4 bytes each: a quarter of the smallest
// buffer that OpenCL lets a device refuse, 1 GiB on a device of 4.
const maxWords = 64 << 20

// encode lays traces out, each in memory of its own. Where grouped, groups
// lists whose blocks the groups of one launch do.
func encode(traces []*inplace.Trace, grouped bool) *batch {
	// An estimate, so that the records are seldom moved: a step's record, and
	// what it points to.
	n := slotWords * len(traces)
	for _, s := range traces {
		n += (stepWords+8)*len(s.Steps) + len(s.Code.Offsets)
	}
	b := &batch{
		traces: traces,
		words:  wordsFor(slotWords*len(traces), n),
		copies: map[moveKey]uint32{}, orders: map[*int32]uint32{},
		blocks: make([][]int, len(traces)),
		base:   make([][]int64, len(traces)),
	}
	left := make([]int, len(traces))
	most, all := 0, 0
	for i, s := range traces {
		b.slot(i, s)
		for _, n := range b.blocks[i] {
			left[i] += n
		}
		most, all = max(most, left[i]), all+left[i]
	}
	if len(b.words) > maxWords {
		b.fail("a batch of %d words; run fewer cases at once", len(b.words))
	}
	if !grouped || b.err != nil {
		return b
	}
	// A round of one group a slot, then the next, so that all slots advance
	// together.
	b.groups = make([]uint32, 0, all)
	for range most {
		for i := range left {
			if left[i] > 0 {
				left[i]--
				b.groups = append(b.groups, uint32(i))
			}
		}
	}
	return b
}

// wordsPool is the memory of batches that a device has answered: megabytes each, which
// would be fresh and zeroed else.
var wordsPool sync.Pool

// wordsFor is n words of zeros, with room for more.
func wordsFor(n, room int) []uint32 {
	if w, ok := wordsPool.Get().(*[]uint32); ok && cap(*w) >= n {
		words := (*w)[:n]
		clear(words)
		return words
	}
	return make([]uint32, n, room)
}

// done gives the memory of the words back. Nobody may read them any more.
func (b *batch) done() {
	words := b.words[:0]
	b.words = nil
	wordsPool.Put(&words)
}

func (b *batch) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf(format, args...)
	}
}

// take reserves bytes of the arena, aligned to 16.
func (b *batch) take(n int64) int64 {
	at := b.memory
	b.memory += (n + 15) &^ 15
	return at
}

// moveKey is what the copies of a move depend on.
type moveKey struct {
	kernel *inplace.Kernel
	first  *int
}

func (b *batch) slot(i int, s *inplace.Trace) {
	size := s.Shape.DType.Size()
	start := b.take(0)
	b.labels = nil
	b.base[i] = make([]int64, 0, len(s.Sizes))
	b.blocks[i] = make([]int, 0, len(s.Steps))
	for id := range s.Sizes {
		b.base[i] = append(b.base[i], b.take(int64(s.Elements(id))*int64(size)))
	}
	elem := func(id int) int64 { return (b.base[i][id] - start) / int64(size) }
	if b.memory-start > int64(size)<<32 {
		b.fail("a trace of %d bytes; a device's case has at most 2^32 elements", b.memory-start)
		return
	}
	copies, orders, steps := b.copies, b.orders, b.steps[:0]
	clear(copies)
	clear(orders)
	end, scratch := 0, 0
	for k := range s.Steps {
		step := &s.Steps[k]
		var w [stepWords]uint32
		w[stepKind] = uint32(step.Kind)
		var blocks int
		switch step.Kind {
		case inplace.Endless:
			blocks = 1
		case inplace.Move:
			key := moveKey{step.Kernel, &step.Storage[0]}
			at, ok := copies[key]
			if !ok {
				at = uint32(len(b.words))
				copies[key] = at
				for _, c := range step.Kernel.Copies {
					b.words = append(b.words, uint32(c.Cell), uint32(elem(step.Storage[c.Dst])+int64(c.To)), uint32(elem(step.Storage[c.Src])+int64(c.From)), uint32(c.N))
				}
			}
			blocks = step.Kernel.Blocks()
			block := min(step.Kernel.Block, max(1, step.Kernel.Cells()))
			w[3], w[4], w[5], w[6] = at, uint32(len(step.Kernel.Copies)), uint32(block), uint32(step.Kernel.Cells())
			if block > scratchAbove {
				scratch = max(scratch, step.Kernel.Cells())
			}
			if len(step.Order) > 0 {
				at, ok := orders[&step.Order[0]]
				if !ok {
					at = uint32(len(b.words))
					orders[&step.Order[0]] = at
					for _, n := range step.Order {
						b.words = append(b.words, uint32(n))
					}
				}
				w[7] = at
			}
		default:
			blocks = b.rows(s, step, &w, elem(step.At))
		}
		end += blocks
		w[stepEnd], w[stepBlocks] = uint32(end), uint32(blocks)
		steps = append(steps, w[:]...)
		b.blocks[i] = append(b.blocks[i], blocks)
	}
	c := &s.Code
	record := [slotWords]uint32{
		uint32(start / 16), uint32(size), uint32(len(b.words)), uint32(len(s.Steps)),
		uint32(s.Shape.Heads), uint32(s.Shape.Lanes()), uint32(s.Shape.Dim), c.Codes, c.Half, c.Low, c.High,
	}
	b.words, b.steps = append(b.words, steps...), steps
	record[11] = uint32(len(b.words))
	b.words = append(b.words, c.Offsets...)
	record[12] = uint32(b.take(int64(scratch)*int64(size)) / 16)
	copy(b.words[slotWords*i:], record[:])
}

// scratchAbove is the cells of a block that the smallest group keeps in
// registers: KEEP for each of its work-items.
const scratchAbove = 8 * smallGroup

// rows encodes a Fill or a Check and returns its blocks.
func (b *batch) rows(s *inplace.Trace, step *inplace.Step, w *[stepWords]uint32, at int64) int {
	sh := s.Shape
	lane, row := step.Rows*sh.Dim, sh.Dim
	if sh.Layout == impls.TokensFirst {
		lane, row = sh.Dim, sh.Lanes()*sh.Dim
	}
	n := step.To - step.From
	stride := 0
	if len(step.Labels) > 1 {
		stride = n
	}
	// Keys and values have the same labels.
	if b.labels == nil || b.labels != &step.Labels[0] {
		b.labels, b.labelsAt = &step.Labels[0], len(b.words)
		for _, list := range step.Labels {
			for _, p := range list {
				b.words = append(b.words, labelWord(s, p))
			}
		}
	}
	labels := b.labelsAt
	per := max(1, checkBlock/sh.Dim)
	copy(w[3:], []uint32{
		uint32(at), uint32(lane), uint32(row), uint32(step.From), uint32(step.To), uint32(labels), uint32(stride), uint32(step.Tensor), uint32(per),
		uint32(step.Rows),
	})
	return (sh.Lanes()*n + per - 1) / per
}

// labelWord is a label as the kernel adds it: the number of the first cell of
// the row in lane 0, or the row's distance from position 0.
func labelWord(s *inplace.Trace, position int32) uint32 {
	if position == inplace.Empty {
		return emptyLabel
	}
	p := uint64(position + 1)
	if s.Shape.DType.Size() == 4 {
		p *= uint64(s.Shape.Lanes()) * uint64(s.Shape.Dim)
	} else {
		p *= uint64(s.Code.Stride)
	}
	if p < uint64(s.Code.Codes) {
		return uint32(p)
	}
	return uint32(p % uint64(s.Code.Codes))
}
