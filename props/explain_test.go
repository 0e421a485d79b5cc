package props

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/hunt"
)

// What a finding says of cells and blocks is checked here against arithmetic of
// this file alone. Nothing of impls.Plan or of Kernel.Destination is asked, for it
// is they that could be wrong. Cells are four bytes, so that each can have a
// number of its own.

// diverge runs a case.
func diverge(t *testing.T, r *hunt.Runner, c *corpus.Case) *corpus.Divergence {
	t.Helper()
	d, err := r.One(t.Context(), c)
	require.NoError(t, err)
	return d
}

// spot is a cell of a buffer in the order in which a report looks: lane by lane,
// row by row.
type spot struct{ lane, row, elem int }

// place is where a cell of a buffer of rows rows is in memory, in elements:
// heads-first is [B, H, S, D], tokens-first [S, B, H, D].
func place(s impls.Shape, rows int, at spot) int {
	b, h := at.lane/s.Heads, at.lane%s.Heads
	if s.Layout == impls.TokensFirst {
		return ((at.row*s.Batch+b)*s.Heads+h)*s.Dim + at.elem
	}
	return ((b*s.Heads+h)*rows+at.row)*s.Dim + at.elem
}

// spots calls do for each cell of rows lo to hi-1.
func spots(s impls.Shape, lo, hi int, do func(spot)) {
	for lane := range s.Batch * s.Heads {
		for row := lo; row < hi; row++ {
			for elem := range s.Dim {
				do(spot{lane, row, elem})
			}
		}
	}
}

// blocksOf numbers the cells of rows lo to hi-1 of a buffer in the order in which
// they lie in memory, and gives the block that writes each.
func blocksOf(s impls.Shape, rows, lo, hi, block int) map[spot]int {
	var all []spot
	spots(s, lo, hi, func(at spot) { all = append(all, at) })
	slices.SortFunc(all, func(a, b spot) int { return place(s, rows, a) - place(s, rows, b) })
	of := map[spot]int{}
	for i, at := range all {
		of[at] = i / block
	}
	return of
}

// wrongCell is the first cell of a buffer that does not hold its number.
func wrongCell(s impls.Shape, rows int, mem []byte, want func(spot) uint32) (first spot, wrong int) {
	spots(s, 0, rows, func(at spot) {
		if binary.LittleEndian.Uint32(mem[4*place(s, rows, at):]) != want(at) {
			if wrong == 0 {
				first = at
			}
			wrong++
		}
	})
	return first, wrong
}

// drawShape has several lanes and elements, most often.
func drawShape(rng *rand.Rand, layout impls.Layout) impls.Shape {
	return impls.Shape{Batch: 1 + rng.IntN(3), Heads: 1 + rng.IntN(3), Window: 2 + rng.IntN(6), Dim: 1 + rng.IntN(4), DType: impls.F32, Layout: layout}
}

func drawOrder(rng *rand.Rand) inplace.Schedule {
	switch rng.IntN(3) {
	case 0:
		return inplace.Schedule{Kind: inplace.Descending}
	case 1:
		return inplace.Schedule{Kind: inplace.List, Blocks: []int{rng.IntN(40)}}
	}
	return inplace.Schedule{Kind: inplace.Random, Seed: rng.Uint64()}
}

// tally counts the cases that raced, so that none of them is all that was tried.
type tally struct{ raced, wide, manyBlocks, laterLane int }

func (n *tally) count(s impls.Shape, blocks int, wrong spot) {
	n.raced++
	if s.Batch > 1 && s.Heads > 1 && s.Dim > 1 {
		n.wide++
	}
	if blocks > 3 {
		n.manyBlocks++
	}
	if wrong.lane > 0 {
		n.laterLane++
	}
}

// explainCases is how many cases are drawn for each target and layout: half of
// them race.
const explainCases = 2000

// checkShift checks what is said of a race in a copy of rows lo to hi-1 of a
// buffer, where row r takes row r+by.
func checkShift(t *testing.T, c *corpus.Case, d *corpus.Divergence, rows, lo, hi, by int, wrong spot) (blocks int) {
	t.Helper()
	owner := blocksOf(c.Shape, rows, lo, hi, c.Block)
	text := string(c.Text()) + d.String()
	require.Equal(t, wrong, spot{d.Lane, d.Row, d.Elem}, text)
	require.NotNil(t, d.Race, text)
	touched := spot{wrong.lane, wrong.row + by, wrong.elem}
	require.Equal(t, touched, spot{d.Race.Lane, d.Race.HazardRow, d.Race.Elem}, "the cell that both blocks touch: %s", text)
	require.Equal(t, inplace.WAR, d.Kind(), text)
	require.Equal(t, d.Tensor, d.Race.Names[d.Race.Hazard.Storage], text)
	require.Equal(t, owner[wrong], d.Race.Hazard.Other, "the block that reads: %s", text)
	require.Equal(t, owner[touched], d.Race.Hazard.Writer, "the block that overwrites: %s", text)
	for _, b := range owner {
		blocks = max(blocks, b+1)
	}
	require.Equal(t, blocks, d.Race.Kernel.Blocks(), text)
	order := c.Schedule.Order(blocks)
	require.Equal(t, order, d.Race.Order, text)
	require.Less(t, slices.Index(order, int32(owner[touched])), slices.Index(order, int32(owner[wrong])), "the writer runs first: %s", text)
	return blocks
}

// A finding in a cache names the cell that is wrong, the cell that both blocks
// touch, and the blocks.
func TestExplanationOfUpdates(t *testing.T) {
	t.Parallel()
	for _, update := range []string{"roll", "cat"} {
		for _, layout := range []impls.Layout{impls.HeadsFirst, impls.TokensFirst} {
			t.Run(fmt.Sprintf("%s/%s", update, layout), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(1, uint64(layout)))
				r := hunt.Local()
				var seen tally
				for range explainCases {
					c := &corpus.Case{
						Shape: drawShape(rng, layout), Block: 1 + rng.IntN(12), Schedule: drawOrder(rng),
						Target: window.Target{Update: update, Lowering: inplace.DropWAR, Device: "sim"},
						Ops:    []corpus.Op{{Kind: corpus.Append, N: 1 + rng.IntN(8)}},
					}
					for range 1 + rng.IntN(8) {
						c.Ops = append(c.Ops, corpus.Op{Kind: corpus.Append, N: 1})
					}
					op, tensor, wrong, cells := wrongByHand(t, c)
					d := diverge(t, r, c)
					require.Equal(t, cells > 0, d != nil, "%s", c.Text())
					if d == nil {
						continue
					}
					require.Equal(t, op, d.Op, "%s", c.Text())
					require.Equal(t, tensor, d.Tensor)
					require.Equal(t, cells, d.Wrong)
					w := c.Shape.Window
					seen.count(c.Shape, checkShift(t, c, d, w, 0, w, 1, wrong), wrong)
				}
				requireMany(t, seen)
			})
		}
	}
}

// requireMany says that enough cases raced, of every sort.
func requireMany(t *testing.T, seen tally) {
	t.Helper()
	t.Logf("%+v", seen)
	const many = 50 // of the rarest sort: most often the first lane is wrong too
	for _, n := range []int{seen.raced, seen.wide, seen.manyBlocks, seen.laterLane} {
		require.Greater(t, n, many)
	}
}

// wrongByHand appends numbered tokens to a cache without a runner, and finds the
// first cell that is wrong after an append.
func wrongByHand(t *testing.T, c *corpus.Case) (op int, tensor string, wrong spot, cells int) {
	t.Helper()
	s, w := c.Shape, c.Shape.Window
	cache, err := window.New(c.Target, s, c.Block)
	require.NoError(t, err)
	cache.Order = func(_, _, blocks int) []int32 { return c.Schedule.Order(blocks) }
	number := func(tensor, token int, at spot) uint32 {
		return uint32(1 + tensor + 2*(at.elem+s.Dim*(at.lane+s.Batch*s.Heads*token)))
	}
	n := 0
	for i, o := range c.Ops {
		if o.N > 1 && o.N <= w && n+o.N > w {
			t.Fatalf("a chunk that crosses: %s", c.Text())
		}
		var chunk [2]impls.Tensor
		for k := range chunk {
			chunk[k] = impls.NewTensor(s, o.N)
			spots(s, 0, o.N, func(at spot) {
				binary.LittleEndian.PutUint32(chunk[k].Data[4*place(s, o.N, at):], number(k, n+at.row, at))
			})
		}
		_, _, err := cache.Update(chunk[0], chunk[1])
		require.NoError(t, err)
		n += o.N
		keys, values := cache.Stored()
		for k, x := range []impls.Tensor{keys, values} {
			first, bad := wrongCell(s, w, x.Data, func(at spot) uint32 {
				token := max(0, n-w) + at.row
				if token >= n {
					return 0
				}
				return number(k, token, at)
			})
			if bad > 0 {
				return i + 1, [...]string{"keys", "values"}[k], first, bad
			}
		}
	}
	return 0, "", spot{}, 0
}

// The same of the built-in programs, whose destination is not a whole buffer.
func TestExplanationOfShifts(t *testing.T) {
	t.Parallel()
	for _, program := range []string{"up-shift", "down-shift"} {
		for _, layout := range []impls.Layout{impls.HeadsFirst, impls.TokensFirst} {
			t.Run(fmt.Sprintf("%s/%s", program, layout), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(2, uint64(layout)))
				r := hunt.Local()
				var seen tally
				for range explainCases {
					c := &corpus.Case{
						Shape: drawShape(rng, layout), Block: 1 + rng.IntN(12), Schedule: drawOrder(rng),
						Target: window.Target{Update: program, Lowering: inplace.DropWAR, Device: "sim"},
					}
					if program == "up-shift" && rng.IntN(2) == 0 {
						c.Schedule = inplace.Schedule{} // the order that a shift up dislikes most
					}
					c.Shape.Window++
					rows := c.Shape.Window
					lo, hi, by := 1, rows, -1
					if program == "down-shift" {
						lo, hi, by = 0, rows-1, 1
					}
					d := diverge(t, r, c)
					wrong, cells := shiftByHand(c, rows, lo, hi, by)
					require.Equal(t, cells > 0, d != nil, "%s", c.Text())
					if d == nil {
						continue
					}
					require.Equal(t, cells, d.Wrong)
					if c.Schedule.Kind == inplace.Ascending {
						c = c.Clone() // a list says the same, and can be looked up in
						c.Schedule = inplace.Schedule{Kind: inplace.List, Blocks: []int{0}}
						d = diverge(t, r, c)
					}
					seen.count(c.Shape, checkShift(t, c, d, rows, lo, hi, by, wrong), wrong)
				}
				requireMany(t, seen)
			})
		}
	}
}

// shiftByHand runs the blocks of a shift on numbered cells, and gives the first
// cell that is wrong.
func shiftByHand(c *corpus.Case, rows, lo, hi, by int) (first spot, wrong int) {
	s := c.Shape
	held := map[spot]spot{}
	spots(s, 0, rows, func(at spot) { held[at] = at })
	blocks := map[int][]spot{}
	for at, b := range blocksOf(s, rows, lo, hi, c.Block) {
		blocks[b] = append(blocks[b], at)
	}
	from := func(at spot) spot { return spot{at.lane, at.row + by, at.elem} }
	order := c.Schedule.Order(len(blocks))
	for i := range len(blocks) {
		b := i
		if order != nil {
			b = int(order[i])
		}
		loaded := map[spot]spot{}
		for _, at := range blocks[b] {
			loaded[at] = held[from(at)]
		}
		for at, v := range loaded {
			held[at] = v
		}
	}
	spots(s, lo, hi, func(at spot) {
		if held[at] != from(at) {
			if wrong == 0 {
				first = at
			}
			wrong++
		}
	})
	return first, wrong
}

// Of a random program: the wrong cell is the first one that differs from what a
// sound lowering leaves, the writer writes the cell that both blocks touch, and
// the other block reads it, or writes it too. Nearly always it does so to compute the
// wrong cell; a wrong cell that was copied from what had raced before may have no
// such block. Programs are of the wider grammar, but for sums. What is returned has
// storage of its own: under this lowering a buffer is always wrong before it.
func TestExplanationOfPrograms(t *testing.T) {
	t.Parallel()
	target := window.Target{Update: "program", Lowering: inplace.DropWAR, Device: "sim"}
	r := hunt.Local()
	// A sum may be right by chance, on the numbers of programByHand or on those of the run.
	draw := (&corpus.Drawer{WithoutSums: true}).Cases(target, 3)
	wider := map[string]int{}
	seen := map[impls.Layout]*tally{impls.HeadsFirst: {}, impls.TokensFirst: {}}
	direct := 0
	for range 5 * explainCases {
		c := draw()
		c.Shape.DType = impls.F32
		stmt, buffer, wrong, cells := programByHand(c)
		d := diverge(t, r, c)
		text := string(c.Text())
		require.Equal(t, cells > 0, d != nil, text)
		if d == nil {
			continue
		}
		text += d.String()
		s := c.Shape
		require.Equal(t, stmt+1, d.Op, text)
		require.Equal(t, c.Program.Buffers[buffer].Name, d.Tensor, text)
		require.Equal(t, wrong, spot{d.Lane, d.Row, d.Elem}, text)
		require.Equal(t, cells, d.Wrong, text)
		require.NotNil(t, d.Race, text)

		h, k := d.Race.Hazard, d.Race.Kernel
		rows := d.Race.Plan.Rows
		type element struct{ storage, at int }
		touched := element{h.Storage, place(s, rows[h.Storage], spot{d.Race.Lane, d.Race.HazardRow, d.Race.Elem})}
		bad := element{buffer, place(s, rows[buffer], wrong)}
		var writes, reads, hits bool
		for _, m := range k.Copies {
			for i := range m.N {
				b := (m.Cell + i) / c.Block
				to := element{m.Dst, m.To + i}
				from := element{m.Src, m.From + i} == touched
				for _, t := range m.More { // what is added is read too
					from = from || element{t.Src, t.From + i} == touched
				}
				writes = writes || b == h.Writer && to == touched
				late := b == h.Other && (from && h.Kind != inplace.WAW || to == touched && h.Kind == inplace.WAW)
				reads = reads || late
				hits = hits || late && to == bad
			}
		}
		require.True(t, writes, "block %d writes the cell: %s", h.Writer, text)
		require.True(t, reads, "block %d touches the cell: %s", h.Other, text)
		require.NotEqual(t, h.Writer, h.Other, text)
		if hits {
			direct++
		}
		seen[s.Layout].count(s, k.Blocks(), wrong)
		for _, x := range c.Program.Stmts[:d.Op] {
			switch {
			case x.Form != inplace.NotReturned:
				wider["returns"]++
			case x.Mask != nil:
				wider["masks"]++
			case x.Step != 0:
				wider["steps"]++
			}
		}
	}
	t.Logf("statements up to the wrong one: %v", wider)
	for _, what := range []string{"returns", "masks", "steps"} {
		require.Greater(t, wider[what], 20, what)
	}
	all := 0
	for _, n := range seen {
		requireMany(t, *n)
		all += n.raced
	}
	t.Logf("in %d of %d cases the other block computes the wrong cell", direct, all)
	require.Greater(t, direct, all*9/10)
}

// programByHand runs a program on numbered cells, beside what the eager lowering
// makes of it, and gives the first statement after which a cell differs.
func programByHand(c *corpus.Case) (stmt, buffer int, wrong spot, cells int) {
	s := c.Shape
	start := func(plan *inplace.Plan) [][]byte {
		mem := make([][]byte, len(plan.Rows))
		number := uint32(1)
		for i, rows := range plan.Rows {
			mem[i] = make([]byte, 4*s.Batch*s.Heads*rows*s.Dim)
			if i >= len(c.Program.Buffers) {
				continue // a temporary
			}
			for at := 0; at < len(mem[i]); at += 4 {
				binary.LittleEndian.PutUint32(mem[i][at:], number)
				number++
			}
		}
		return mem
	}
	sim := &inplace.Sim{}
	sound := inplace.Compile(c.Program, inplace.Eager, s, c.Block)
	racy := inplace.Compile(c.Program, inplace.DropWAR, s, c.Block)
	want, got := start(sound), start(racy)
	for i := range c.Program.Stmts {
		for _, k := range sound.Kernels {
			if k.Stmt == i {
				sim.Run(k, want, 4, nil)
			}
		}
		for _, k := range racy.Kernels {
			if k.Stmt == i {
				sim.Run(k, got, 4, c.Schedule.Order(k.Blocks()))
			}
		}
		for b, x := range c.Program.Buffers {
			first, bad := wrongCell(s, x.Rows, got[b], func(at spot) uint32 {
				return binary.LittleEndian.Uint32(want[b][4*place(s, x.Rows, at):])
			})
			if bad > 0 {
				return i, b, first, bad
			}
		}
	}
	return 0, 0, spot{}, 0
}
