package worker

import (
	"cmp"
	"regexp"
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// gpuDevice matches what workers call a GPU, as PyTorch does.
var gpuDevice = regexp.MustCompile(`^(cuda|hip|xpu|mps|gpu)`)

// gpuCells is the cells of the larger buffer of a program on a GPU, in one lane
// of wide rows. A race needs blocks that start after others have ended: an H100
// or H200 runs some 2,000 blocks of 1,024 cells at once, half of these.
const gpuCells = 1 << 22

// FixedShape is what every case of a hunt has of its shape. What is 0 or nil is
// drawn.
type FixedShape struct {
	Batch, Heads, Window, Dim int
	DType                     *impls.DType
}

// apply gives a case the shape.
func (f FixedShape) apply(c *corpus.Case) {
	old, s := c.Shape.Window, &c.Shape
	s.Batch, s.Heads, s.Window, s.Dim = cmp.Or(f.Batch, s.Batch), cmp.Or(f.Heads, s.Heads), cmp.Or(f.Window, s.Window), cmp.Or(f.Dim, s.Dim)
	if f.DType != nil {
		s.DType = *f.DType
	}
	for i := range c.Ops {
		o := &c.Ops[i]
		*o = o.Kind.Operation().Fit(o, old, *s)
	}
}

// Fit implements run.Fitter: a worker is asked for its element types, heads first,
// what it offers, and nothing of Without.
func (b *Backend) Fit(c *corpus.Case) {
	h, shape, without := b.hello, b.Shape, b.Without
	if !slices.Contains(h.DTypes, c.Shape.DType) {
		c.Shape.DType = h.DTypes[int(c.Shape.DType)%len(h.DTypes)]
	}
	if c.Target.IsProgram() {
		// Compilers treat a row by vectors of 8 or 16, and what is left of it
		// otherwise: rows of a few elements, of some vectors, of many. On a GPU
		// two of three programs are large instead.
		if kind := c.Block % 3; kind == 0 || !gpuDevice.MatchString(h.Device) {
			c.Shape.Dim *= [...]int{1, 16, 64}[kind]
		} else {
			rows := 0
			for _, b := range c.Program.Buffers {
				rows = max(rows, b.Rows)
			}
			c.Shape.Batch, c.Shape.Heads, c.Shape.Dim = 1, 1, gpuCells/rows
			for c.Check(corpus.DefaultLimit) != nil && c.Shape.Dim > 1 {
				c.Shape.Dim /= 2
			}
		}
	}
	c.Block, c.Schedule = 1, inplace.Schedule{Kind: inplace.Native}
	c.Orders = nil
	c.Shape.Layout = impls.HeadsFirst
	if c.Shape.Window == 1 && slices.Contains(without, corpus.WindowOne) {
		c.Shape.Window = 2
	}
	shape.apply(c)
	keep := c.Ops[:0]
	var at corpus.Lengths
	for i := range c.Ops {
		o := &c.Ops[i]
		of := at.Features(o, c.Shape)
		switch {
		case !h.Offers(o.Kind.Operation().Capability()):
			continue
		case o.DType != "" && !slices.ContainsFunc(h.DTypes, func(d impls.DType) bool { return d.String() == o.DType }):
			continue
		case corpus.HasAny(of, without):
			continue
		}
		at.After(o, c.Shape)
		keep = append(keep, *o)
	}
	c.Ops = keep
}

// Takes implements run.Fitter: a worker has no blocks and no order, and not every
// element type; and what is left out stays out.
func (b *Backend) Takes(c *corpus.Case) bool {
	return c.Schedule.Kind == inplace.Native && c.Block == 1 && slices.Contains(b.hello.DTypes, c.Shape.DType) &&
		!corpus.HasAny(corpus.FeaturesOf(c), b.Without)
}
