package corpus

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// MaxDraw bounds the bytes that a case is decoded from: the header's ten and
// two for each of some twenty operations.
const MaxDraw = 56

// Draws gives the random cases of a hunt, one a call. What a cache that is not
// built in can do is not known here: its cases have every operation.
func Draws(t window.Target, seed uint64) func() *Case {
	h := fnv.New64a()
	h.Write([]byte(t.String()))
	rng := rand.New(rand.NewPCG(seed, h.Sum64()))
	d := &Drawer{}
	if _, ok := window.LookupUpdate(t.Update); ok && t.Device != window.Worker {
		d.Can = func(need Capability) bool { return need == CanCrop || need == CanSnapshot }
	}
	buf := make([]byte, MaxDraw)
	return func() *Case {
		var c *Case
		if t.Update == "program" {
			b := buf[:4+rng.IntN(MaxDraw-3)]
			for i := range b {
				b[i] = byte(rng.Uint32())
			}
			c = DecodeProgram(b)
		} else {
			c = d.Draw(rng)
		}
		c.Target = t
		if t.IsProgram() {
			c.Ops = nil
		}
		if window.OrdersItself(t.Device) {
			c.Schedule = inplace.Schedule{Kind: inplace.Native}
		}
		return c
	}
}

// Drawer draws cases of a cache. Its zero value draws for a cache that can do
// everything, of all sizes.
type Drawer struct {
	// Can says what the cache can do, nil for everything.
	Can func(Capability) bool
	// Sizes are those that are drawn.
	Sizes Sizes
	// Even draws every choice by its own weight. Otherwise every run of cases has
	// weights of its own: what is rare in one is common in another.
	Even bool

	left    int // cases of the run under way
	weights []weighted
	orders  [orderKinds]float64
	large   float64 // share of cases that may be large
}

// Sizes says which cases are drawn.
type Sizes uint8

// The sizes.
const (
	AllSizes Sizes = iota
	SmallOnly
	LargeOnly
)

// weighted is a choice and its weight in a run.
type weighted struct {
	Choice
	weight float64
}

const (
	// runCases is the cases of a run, after which the weights are drawn anew: few
	// enough that a hunt of a thousand has some thirty runs.
	runCases = 32
	// swing is how far a weight goes from its own in a run, as a factor, at most.
	swing = 8
	// absent is the share of runs that leave a choice out altogether. What is left
	// out cannot undo what the others have done.
	absent = 0.2
	// largeShare is the share of cases that may be large.
	largeShare = 1. / 8
	// maxDrawn bounds the operations of a drawn case: a prefill, enough steps to
	// turn the largest common window of 16 over row by row, and some more.
	maxDrawn = 24
)

// The bounds of a large case. One of sixteen dimensions or heads, of a batch of a
// power of two and one more, of rows longer than a register: real sizes, as far as
// their number matters. The cells of all tokens are at most 2^18, and in one case
// of fifty 2^22, which takes some 100 ms.
const (
	largeDim, largeBatch, largeHeads, largeWindow = 256, 8, 16, 300

	largeCells, largestCells = 1 << 18, 1 << 22
	largestShare             = 1. / 50
)

// Draw makes a case, without a target.
func (d *Drawer) Draw(r *rand.Rand) *Case {
	if d.left == 0 {
		d.begin(r)
	}
	d.left--
	c := &Case{}
	cells := d.shape(c, r)
	d.schedule(c, r)
	at := NewLengths(c.Shape)
	add := func(o Op) {
		at.After(&o, c.Shape)
		c.Ops = append(c.Ops, o)
	}
	add(Op{Kind: Append, N: r.IntN(2*c.Shape.Window + 3)})
	for n := 1 + r.IntN(maxDrawn-1); n > 0; n-- {
		add(d.op(r, c.Shape, at.State()))
	}
	for len(c.Ops) > 1 && c.Tokens()*c.MaxBatch()*c.Shape.Heads*c.Shape.Dim > cells {
		c.Ops = c.Ops[:len(c.Ops)-1]
	}
	return c
}

// begin draws the weights of a run.
func (d *Drawer) begin(r *rand.Rand) {
	d.left, d.weights, d.large = runCases, d.weights[:0], largeShare
	factor := func() float64 {
		switch {
		case d.Even:
			return 1
		case r.Float64() < absent:
			return 0
		}
		return math.Pow(swing, 2*r.Float64()-1)
	}
	for _, x := range operations {
		for _, choice := range x.Choices() {
			if choice.Needs == "" || d.Can == nil || d.Can(choice.Needs) {
				d.weights = append(d.weights, weighted{choice, choice.Weight * factor()})
			}
		}
	}
	for i := range d.orders {
		d.orders[i] = usualOrders[i] * factor()
	}
	if !d.Even {
		d.large *= 2 * r.Float64()
	}
}

// pick draws an index by weight, 0 where all weights are none.
func pick[T any](r *rand.Rand, all []T, weight func(*T) float64) int {
	sum := 0.
	for i := range all {
		sum += weight(&all[i])
	}
	at := sum * r.Float64()
	for i := range all {
		if at -= weight(&all[i]); at < 0 {
			return i
		}
	}
	return 0
}

func (d *Drawer) op(r *rand.Rand, s impls.Shape, at State) Op {
	i := pick(r, d.weights, func(w *weighted) float64 { return w.weight })
	return d.weights[i].Draw(r, s, at)
}

// shape draws a shape, and returns the most cells that the tokens may have.
func (d *Drawer) shape(c *Case, r *rand.Rand) (cells int) {
	s := &c.Shape
	*s = impls.Shape{
		Batch: 1 + r.IntN(2), Heads: 1 + r.IntN(3), Window: 1 + r.IntN(16), Dim: 1 + r.IntN(4),
		DType: impls.DType(r.IntN(5)), Layout: impls.Layout(r.IntN(2)),
	}
	if r.IntN(16) == 0 {
		s.Window = 4 * (1 + r.IntN(16))
	}
	cells = largeCells
	if r.Float64() < largestShare {
		cells = largestCells
	}
	if large := r.Float64() < d.large; d.Sizes == SmallOnly || d.Sizes == AllSizes && !large {
		return cells
	}
	all := [...]struct {
		n    *int
		most int
	}{{&s.Dim, largeDim}, {&s.Batch, largeBatch}, {&s.Heads, largeHeads}, {&s.Window, largeWindow}}
	for _, i := range r.Perm(len(all))[:1+r.IntN(len(all))] {
		*all[i].n = size(r, all[i].most)
	}
	// What a prefill and some steps take must fit, or no step is left.
	for s.Lanes()*s.Dim*(2*s.Window+maxDrawn) > cells {
		i := r.IntN(len(all))
		*all[i].n = max(1, *all[i].n/2)
	}
	return cells
}

// size draws a number up to most. Half are a power of two or one beside it, where
// copies by words and blocks end; the others have any magnitude alike.
func size(r *rand.Rand, most int) int {
	n := int(math.Exp2(r.Float64() * math.Log2(float64(most)+1)))
	if r.IntN(2) == 0 {
		n = 1<<r.IntN(int(math.Log2(float64(most)))+1) + r.IntN(3) - 1
	}
	return min(max(1, n), most)
}

// maxBlocks bounds the blocks of a window, but for one of sixteen cases: in a forced
// order blocks wait for each other, on a device too, and more of them show little
// that is new.
const maxBlocks = 64

// The kinds of block orders, and how often each is drawn.
const orderKinds = 4

var usualOrders = [orderKinds]float64{2, 1, 1, 4}

func (d *Drawer) schedule(c *Case, r *rand.Rand) {
	// From one cell a block, so that every window has many blocks, to more
	// cells than a small window has; one in eight is large.
	if c.Block = 1 + r.IntN(32); r.IntN(8) == 0 {
		c.Block = 16 * (1 + r.IntN(32))
	}
	blocks := maxBlocks
	if r.IntN(16) == 0 {
		blocks *= 8
	}
	if cells := c.Shape.Lanes() * c.Shape.Window * c.Shape.Dim; cells > blocks*c.Block {
		c.Block = (cells + blocks - 1) / blocks
	}
	switch pick(r, d.orders[:], func(w *float64) float64 { return *w }) {
	case 0:
		c.Schedule = inplace.Schedule{Kind: inplace.Descending}
	case 1:
		c.Schedule = inplace.Schedule{}
	case 2:
		c.Schedule = inplace.Schedule{Kind: inplace.List, Blocks: []int{r.IntN(16)}}
	case 3:
		// 2^16 orders are enough, and a short number is one to read.
		c.Schedule = inplace.Schedule{Kind: inplace.Random, Seed: uint64(r.IntN(1 << 16))}
	}
}

// Only reports whether a case has no operation that needs what a cache cannot do.
func (c *Case) Only(can func(Capability) bool) bool {
	return !slices.ContainsFunc(c.Ops, func(o Op) bool {
		need := o.Kind.Operation().Capability(&o)
		return need != "" && !can(need)
	})
}
