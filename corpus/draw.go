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
func Draws(t window.Target, seed uint64) func() *Case { return (&Drawer{}).Cases(t, seed) }

// Drawer draws cases of a cache. Its zero value draws for a cache that can do
// everything, of all sizes.
type Drawer struct {
	// Can says what the cache can do, nil for everything.
	Can func(Capability) bool
	// Sizes are those that are drawn.
	Sizes Sizes
	// Even draws every choice by its own weight. Otherwise every other case has
	// weights of its own: what is rare in one is common in another.
	Even bool
	// Grammar is that of the programs that are drawn: 1, or 2 for the wider one. 0 is 1
	// for workers, which may know no other, and 2 for what runs here; GPUs get what
	// copies cells as they are.
	Grammar int
	// WithoutSums leaves out programs that add, for what has no type that adds exactly.
	WithoutSums bool

	choices []Choice  // of what the cache can do
	after   []int     // which choice each needs, -1 for none
	weights []float64 // of the choices, in this case
	orders  [orderKinds]float64
	large   float64 // how often the case may be large
}

// Sizes says which cases are drawn.
type Sizes uint8

// The sizes.
const (
	AllSizes Sizes = iota
	SmallOnly
	LargeOnly
)

// How weights are drawn was measured on the known-bad targets: docs/benchmarks.md.
const (
	// evenShare is the share of cases that have the weights of all. Whatever those
	// find soon, a hunt finds with at most twice the cases.
	evenShare = 0.5
	// swing is how far a weight of a case goes from that of all, as a factor, at
	// most.
	swing = 3
	// absent is how often a case with weights of its own leaves a choice out. What is
	// left out cannot undo what the others have done.
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

// Cases gives random cases of a target, one a call: the same for the same seed. Of
// a target that is built in the drawer learns what it can do.
func (d *Drawer) Cases(t window.Target, seed uint64) func() *Case {
	h := fnv.New64a()
	h.Write([]byte(t.String()))
	rng := rand.New(rand.NewPCG(seed, h.Sum64()))
	d.choices, d.after = nil, nil
	if _, ok := window.LookupUpdate(t.Update); ok && t.Device != window.Worker {
		d.Can = func(need Capability) bool { return need == CanCrop || need == CanSnapshot }
	}
	buf := make([]byte, MaxDraw)
	return func() *Case {
		var c *Case
		if t.Update == "program" {
			c = d.program(t, rng, buf)
		} else {
			c = d.Draw(rng)
		}
		c.Target = t
		if t.IsProgram() {
			c.Ops = nil
		}
		// A worker may take an order: its backend leaves the schedule or drops it.
		if window.OrdersItself(t.Device) && t.Device != window.Worker {
			c.Schedule = inplace.Schedule{Kind: inplace.Native}
		}
		return c
	}
}

// program draws a case of a random program, decoded from bytes, which buf holds, but for
// a worker.
func (d *Drawer) program(t window.Target, rng *rand.Rand, buf []byte) *Case {
	wide := d.Grammar == 2 || d.Grammar == 0 && t.Device != window.Worker
	if t.Device == window.Worker {
		return workerProgram(rng, wide, wide && !d.WithoutSums)
	}
	for {
		b := buf[:4+rng.IntN(MaxDraw-3)]
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		if !wide {
			return DecodeProgram(b)
		}
		c := decodeWideProgram(b)
		if d.WithoutSums && c.Program.Adds() {
			continue
		}
		if !window.OnGPU(t.Device) || !c.Program.Adds() && !slices.ContainsFunc(c.Program.Stmts, func(s inplace.Stmt) bool { return s.Form == inplace.Transposed }) {
			return c
		}
	}
}

// Draw makes a case, without a target.
func (d *Drawer) Draw(r *rand.Rand) *Case {
	d.weigh(r)
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
		add(d.choices[pick(r, d.weights)].Draw(r, c.Shape, at.State()))
	}
	for len(c.Ops) > 1 && c.Tokens()*c.MaxBatch()*c.Shape.Heads*c.Shape.Dim > cells {
		c.Ops = c.Ops[:len(c.Ops)-1]
	}
	return c
}

// weigh draws the weights of a case.
func (d *Drawer) weigh(r *rand.Rand) {
	if d.choices == nil {
		d.learn()
	}
	even := d.Even || r.Float64() < evenShare
	factor := func() float64 {
		switch {
		case even:
			return 1
		case r.Float64() < absent:
			return 0
		}
		return math.Pow(swing, 2*r.Float64()-1)
	}
	for i := range d.choices {
		d.weights[i] = d.choices[i].Weight * factor()
	}
	for i, needed := range d.after {
		if needed >= 0 && d.weights[needed] == 0 {
			d.weights[i] = 0
		}
	}
	for i := range d.orders {
		d.orders[i] = usualOrders[i] * factor()
	}
	if d.large = largeShare; !even {
		d.large *= 2 * r.Float64()
	}
}

// learn lists what the cache can do.
func (d *Drawer) learn() {
	for _, x := range operations {
		for _, c := range x.Choices() {
			if c.Needs == "" || d.Can == nil || d.Can(c.Needs) {
				d.choices = append(d.choices, c)
			}
		}
	}
	d.weights = make([]float64, len(d.choices))
	for _, c := range d.choices {
		d.after = append(d.after, slices.IndexFunc(d.choices, func(x Choice) bool { return x.Name == c.After }))
	}
}

// pick draws an index by weight, 0 where all weights are none.
func pick(r *rand.Rand, weights []float64) int {
	sum := 0.
	for _, w := range weights {
		sum += w
	}
	at := sum * r.Float64()
	for i, w := range weights {
		if at -= w; at < 0 {
			return i
		}
	}
	return 0
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
	if r.IntN(2) == 0 { // rows that are longer than a register are what copies fail on
		s.Dim = size(r, largeDim)
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
	switch pick(r, d.orders[:]) {
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
