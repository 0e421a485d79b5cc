package corpus

import (
	"bytes"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// bytesIn hands out the bytes of an input; past the end they are zero, so that
// every byte string is a case and a longer one a longer case.
type bytesIn struct{ rest []byte }

func (b *bytesIn) next() int {
	if len(b.rest) == 0 {
		return 0
	}
	n := b.rest[0]
	b.rest = b.rest[1:]
	return int(n)
}

// below is a number from 0 to n-1.
func (b *bytesIn) below(n int) int { return b.next() % n }

// decodable are the targets that Decode chooses from: each sound update, the
// sound lowerings, on sim, whose schedule the input decides.
var decodable = func() (all []window.Target) {
	for _, t := range window.Targets() {
		if t.Sound() && !t.IsProgram() && t.Lowering.Sound() && t.Device == "sim" {
			all = append(all, t)
		}
	}
	return all
}()

// Decode makes a case of a cache from any bytes. Each field has its own byte,
// so that near bytes are near cases; two bytes an operation follow, at most
// maxOps of them. What begins with WidePrefix chooses among more.
func Decode(in []byte) *Case {
	if rest, ok := bytes.CutPrefix(in, []byte(WidePrefix)); ok {
		return decodeWide(rest)
	}
	b := &bytesIn{in}
	c := &Case{}
	c.decodeShape(b)
	// Windows from 1 to 16, one in sixteen up to 64: more would take most of the
	// time and show nothing new.
	w := b.next()
	c.Shape.Window = 1 + (w+2)%16
	if w >= 240 {
		c.Shape.Window = 4 * (w - 239)
	}
	c.Target = decodable[b.below(len(decodable))]
	c.decodeSchedule(b)
	prefill := b.next()
	c.Ops = append(c.Ops, Op{Kind: Append, N: (prefill + 2) % (2*c.Shape.Window + 3)})
	for len(b.rest) > 0 && len(c.Ops) < maxOps {
		c.Ops = append(c.Ops, c.decodeOp(b))
	}
	if len(c.Ops) == 1 {
		c.Ops = append(c.Ops, Op{Kind: Append, N: 1})
	}
	return c
}

// maxOps bounds the operations that bytes decode to: a prefill, enough steps to
// turn the largest common window of 16 over row by row, and one more. Fuzzing
// makes inputs long, so it also bounds what an execution costs.
const maxOps = 18

// decodeShape decodes all but the window, whose meaning differs.
func (c *Case) decodeShape(b *bytesIn) {
	lanes := b.next()
	c.Shape = impls.Shape{Batch: 1 + lanes%2, Heads: 1 + lanes/2%3, Window: 1, Dim: 1 + b.below(4)}
	kind := b.next()
	c.Shape.Layout = impls.Layout(kind % 2)
	c.Shape.DType = [...]impls.DType{impls.F32, impls.BF16, impls.U8, impls.F16, impls.F8E4M3}[kind/2%5]
}

func (c *Case) decodeSchedule(b *bytesIn) {
	// From one cell a block, so that every window has many blocks, to more
	// cells than a small window has; one in eight is large.
	block := b.next()
	c.Block = 1 + block%32
	if block >= 224 {
		c.Block = 16 * (block - 223)
	}
	kind, n := b.below(8), b.next()
	switch kind {
	case 0, 1:
		c.Schedule = inplace.Schedule{Kind: inplace.Descending}
	case 2:
		c.Schedule = inplace.Schedule{}
	case 3:
		c.Schedule = inplace.Schedule{Kind: inplace.List, Blocks: []int{n % 16}}
	default:
		c.Schedule = inplace.Schedule{Kind: inplace.Random, Seed: uint64(n)<<8 | uint64(b.next())}
	}
}

func (c *Case) decodeOp(b *bytesIn) Op {
	kind, n := b.next(), b.next()
	for _, x := range operations {
		if o, ok := x.Decode(kind, n, c.Shape); ok {
			return o
		}
	}
	panic("a byte that no operation decodes") // the operations share all 256
}
