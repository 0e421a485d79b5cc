package worker

import (
	"cmp"
	"regexp"
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
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

// of is a drawn shape with what is fixed.
func (f FixedShape) of(s impls.Shape) impls.Shape {
	s.Batch, s.Heads, s.Window, s.Dim = cmp.Or(f.Batch, s.Batch), cmp.Or(f.Heads, s.Heads), cmp.Or(f.Window, s.Window), cmp.Or(f.Dim, s.Dim)
	if f.DType != nil {
		s.DType = *f.DType
	}
	return s
}

// Fit implements run.Fitter: a worker is asked for its element types, heads first,
// what it offers, and nothing of Without; and now and then for a cache just outside
// of its limits.
func (b *Backend) Fit(c *corpus.Case) {
	h, without := b.hello, b.Without
	if !slices.Contains(h.DTypes, c.Shape.DType) {
		c.Shape.DType = h.DTypes[int(c.Shape.DType)%len(h.DTypes)]
		if exact := b.exact(); c.Program.Adds() && len(exact) > 0 {
			c.Shape.DType = exact[0]
		}
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
	drawn, chance, block := c.Shape, c.Block, c.Block
	ordered := b.ordered(c)
	c.Block, c.Orders = 1, nil
	if !ordered {
		c.Schedule = inplace.Schedule{Kind: inplace.Native}
	}
	c.Shape.Layout = impls.HeadsFirst
	if c.Shape.Window == 1 && slices.Contains(without, corpus.WindowOne) {
		c.Shape.Window = 2
	}
	c.Shape = b.Shape.of(b.inside(c.Shape))
	if chance%outsideShare == 1 {
		c.Shape = b.outside(c.Shape)
	}
	l := b.limits(c.Shape)
	run.Bounds{Can: b.can, Longest: l.Longest(c.Shape.Window), Without: without, DTypes: h.DTypes}.Fit(c, drawn)
	if ordered {
		c.Block = block
		c.Block = max(evenBlock(c), (cells(c.Shape)-1)/worker.MaxOrder+1)
	}
}

// ordered reports whether the worker runs the blocks of a case in the order that the
// case says.
func (b *Backend) ordered(c *corpus.Case) bool { return b.hello.Order && !c.Target.IsProgram() }

// cells is those of a window.
func cells(s impls.Shape) int { return s.Lanes() * s.Window * s.Dim }

// evenBlock is the smallest block that makes as many blocks of the window as the
// case's: a worker is told their number, and this is how it knows their size.
func evenBlock(c *corpus.Case) int { return (cells(c.Shape)-1)/c.Blocks() + 1 }

// outsideShare is the draws of which one asks for a cache outside of the limits.
const outsideShare = 32

// Takes implements run.Fitter: a worker has no blocks and no order, unless it offers
// to follow one, and not every element type; what it does not offer is not asked, and what is left out stays out.
func (b *Backend) Takes(c *corpus.Case) bool {
	if len(c.Beside) > 0 {
		return !slices.ContainsFunc(c.Each(), func(one *corpus.Case) bool { return !b.Takes(one) })
	}
	if c.Target.IsProgram() && (len(c.Program.Stmts) == 0 || c.Program.Grammar() > b.grammar()) {
		return false // the one says nothing of a worker, the other is not asked
	}
	if v := c.Target.Variant; v != "" && !slices.Contains(b.hello.Variants, v) {
		return false // a kept case of another worker, or of one with other flags
	}
	order := c.Schedule.Kind == inplace.Native && c.Block == 1
	if b.ordered(c) {
		order = len(c.Orders) == 0 && c.Block == evenBlock(c) && c.Blocks() <= worker.MaxOrder
	}
	return order && slices.Contains(b.hello.DTypes, c.Shape.DType) &&
		c.Only(b.can) && !corpus.HasAny(corpus.FeaturesOf(c), b.Without)
}

// can reports whether the worker offers what an operation needs.
func (b *Backend) can(need corpus.Capability) bool {
	return b.hello.Offers(string(need))
}

// has reports whether a shape is within the limits that hello declares.
func (b *Backend) has(s impls.Shape) bool {
	h := b.hello
	return h.Dims.Has(s.Dim) && (len(h.Batches) == 0 || slices.Contains(h.Batches, s.Batch)) &&
		(s.Window > 1 || !slices.Contains(h.Without, string(corpus.WindowOne)))
}

// inside is the nearest shape that is.
func (b *Backend) inside(s impls.Shape) impls.Shape {
	h := b.hello
	s.Dim = h.Dims.Nearest(s.Dim)
	if n := len(h.Batches); n > 0 && !slices.Contains(h.Batches, s.Batch) {
		s.Batch = h.Batches[(s.Batch+s.Window)%n]
	}
	if s.Window == 1 && slices.Contains(h.Without, string(corpus.WindowOne)) {
		s.Window = 2
	}
	return s
}

// outside is a shape that is not, one step from one that is, where there are limits.
func (b *Backend) outside(s impls.Shape) impls.Shape {
	all := []impls.Shape{s, s, s}
	all[0].Dim++
	all[1].Batch++
	all[2].Window = 1
	for i := range all {
		if at := all[(i+s.Window)%len(all)]; !b.has(at) {
			return at
		}
	}
	return s
}

// limits are what hello declares, for the judge of a cache of a shape.
func (b *Backend) limits(s impls.Shape) judge.Limits {
	h := b.hello
	l := judge.Limits{Nothing: !b.has(s), Batches: h.Batches, Slack: h.Slack, Largest: h.MaxChunk.Rows}
	for _, kind := range h.Without {
		l.Kinds = append(l.Kinds, corpus.Feature(kind))
	}
	return l
}

// exact are the element types of the worker that add exactly.
func (b *Backend) exact() []impls.DType {
	return slices.DeleteFunc(slices.Clone(b.hello.DTypes), func(t impls.DType) bool { return t != impls.I32 && t != impls.F32 })
}

// grammar is that of the programs that the worker takes.
func (b *Backend) grammar() int { return max(1, b.hello.Grammar) }

// Draws implements run.Drawer: programs are of the grammar that the worker takes, and
// have sums where it has a type that adds exactly.
func (b *Backend) Draws(t window.Target, seed uint64) func() *corpus.Case {
	return (&corpus.Drawer{Grammar: b.grammar(), WithoutSums: len(b.exact()) == 0}).Cases(t, seed)
}
