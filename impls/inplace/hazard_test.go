package inplace

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
)

// randomKernel is a kernel of up to 6 blocks over two storages of 8 cells, and
// whether it writes a cell twice. Each destination starts a new block.
func randomKernel(r *rand.Rand) (k *Kernel, twice bool) {
	const cells, maxBlocks = 8, 6
	block := 1 + r.IntN(3)
	written := map[[2]int]bool{}
	var copies []Copy
	cell := 0
	for range 1 + r.IntN(2) {
		dst := r.IntN(2)
		if len(copies) > 0 && copies[len(copies)-1].Dst == dst {
			break // one destination a storage, one after the other
		}
		cell = (cell + block - 1) / block * block
		for range 1 + r.IntN(4) {
			n := 1 + r.IntN(3)
			c := Copy{Cell: cell, Dst: dst, To: r.IntN(cells - n + 1), Src: r.IntN(2), From: r.IntN(cells - n + 1), N: n}
			if r.IntN(6) == 0 { // a write of cells to themselves
				c.Src, c.From = c.Dst, c.To
			}
			if (cell+n-1)/block >= maxBlocks {
				break
			}
			for i := range n {
				at := [2]int{dst, c.To + i}
				twice = twice || written[at]
				written[at] = true
			}
			copies = append(copies, c)
			cell += n
		}
	}
	return NewKernel(0, block, copies), twice
}

// distinct is two storages whose cells all differ.
func distinct() [][]byte {
	mem := [][]byte{make([]byte, 8), make([]byte, 8)}
	for i := range mem[0] {
		mem[0][i], mem[1][i] = byte(1+i), byte(101+i)
	}
	return mem
}

// meaning is what a kernel should do: destination after destination, each
// read whole before it is written.
func meaning(k *Kernel) [][]byte {
	mem := distinct()
	for i := 0; i < len(k.Copies); {
		old := [][]byte{bytes.Clone(mem[0]), bytes.Clone(mem[1])}
		dst := k.Copies[i].Dst
		for ; i < len(k.Copies) && k.Copies[i].Dst == dst; i++ {
			c := k.Copies[i]
			copy(mem[c.Dst][c.To:c.To+c.N], old[c.Src][c.From:])
		}
	}
	return mem
}

func runOrder(k *Kernel, order []int32) [][]byte {
	mem := distinct()
	(&Sim{}).Run(k, mem, 1, order)
	return mem
}

// permutations calls f with every order of n blocks until it returns false.
func permutations(n int, f func([]int32) bool) {
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
	}
	var rec func(int) bool
	rec = func(i int) bool {
		if i == n {
			return f(order)
		}
		for j := i; j < n; j++ {
			order[i], order[j] = order[j], order[i]
			if !rec(i + 1) {
				return false
			}
			order[i], order[j] = order[j], order[i]
		}
		return true
	}
	rec(0)
}

// bruteConflict is the definition, cell by cell.
func bruteConflict(k *Kernel, leaveSelf bool) bool {
	type touch struct {
		block int
		write bool
	}
	at := map[[2]int][]touch{}
	for _, c := range k.Copies {
		if leaveSelf && c.self() {
			continue
		}
		for i := range c.N {
			b := (c.Cell + i) / k.Block
			at[[2]int{c.Dst, c.To + i}] = append(at[[2]int{c.Dst, c.To + i}], touch{b, true})
			at[[2]int{c.Src, c.From + i}] = append(at[[2]int{c.Src, c.From + i}], touch{b, false})
		}
	}
	for _, ts := range at {
		for _, a := range ts {
			for _, b := range ts {
				if a.block != b.block && a.write {
					return true
				}
			}
		}
	}
	return false
}

// The claim of the design: a kernel has a hazard exactly when some order of
// its blocks diverges, if it writes no cell twice and starts from cells that
// all differ. Every order of up to 6 blocks is tried, both ways.
func TestDetectorIsExact(t *testing.T) {
	n := 20_000
	if testing.Short() {
		n = 2_000
	}
	r := rand.New(rand.NewPCG(1, 2))
	kinds := map[HazardKind]int{}
	benign, exact := 0, 0
	for range n {
		k, twice := randomKernel(r)
		h, found := k.Hazard()
		what := fmt.Sprintf("block %d, copies %+v", k.Block, k.Copies)
		require.Equal(t, bruteConflict(k, false), k.Conflict(), what)
		require.Equal(t, bruteConflict(k, true), found, what)
		kinds[h.Kind]++
		if !found && k.Conflict() {
			benign++
		}
		if twice {
			continue
		}
		exact++
		want := meaning(k)
		diverges := false
		permutations(k.Blocks(), func(order []int32) bool {
			got := runOrder(k, order)
			diverges = !bytes.Equal(got[0], want[0]) || !bytes.Equal(got[1], want[1])
			return !diverges
		})
		require.Equal(t, diverges, found, what)
		if found {
			order := Schedule{Kind: List, Blocks: []int{h.Witness()}}.Order(k.Blocks())
			require.NotEqual(t, want, runOrder(k, order), "witness %d of %+v: %s", h.Witness(), h, what)
		}
	}
	// The kernels must have been of every kind for this to mean anything.
	t.Logf("%d kernels: %v, %d with a benign conflict, %d compared with every order", n, kinds, benign, exact)
	for _, kind := range []HazardKind{NoHazard, WAR, RAW, WAW} {
		require.Positive(t, kinds[kind], kind)
	}
	require.Positive(t, benign)
	require.Positive(t, exact)
}

// downShift moves the rows of x to the left by way of a clone.
func downShift(rows int) Program {
	return Program{[]Buffer{{"x", rows}}, []Stmt{Assign("x", 0, rows-1, Clone(View("x", 1, rows)))}}
}

func TestHazardOfAShift(t *testing.T) {
	p := downShift(4)
	plan := Compile(p, DropWAR, impls.Shape{Batch: 1, Heads: 1, Window: 4, Dim: 1, DType: impls.U8}, 1)
	require.Len(t, plan.Kernels, 1)
	h, found := plan.Kernels[0].Hazard()
	require.True(t, found)
	// Block 1 writes row 1, which block 0 reads.
	require.Equal(t, Hazard{Kind: WAR, Storage: 0, Offset: 1, Writer: 1, Other: 0, At: 0}, h)
	require.Equal(t, 1, h.Witness())
	for _, how := range []Lowering{Eager, Fused} {
		for _, k := range Compile(p, how, impls.Shape{Batch: 1, Heads: 1, Window: 4, Dim: 1, DType: impls.U8}, 1).Kernels {
			require.False(t, k.Conflict())
		}
	}
}

func TestWriteOfACellToItselfIsBenign(t *testing.T) {
	// Rows 0 1 2 ← rows 0 1 1: block 1 writes row 1 to itself, block 2 reads it.
	p := Program{[]Buffer{{"x", 3}}, []Stmt{Assign("x", 0, 3, Gather(View("x", 0, 3), []int{0, 1, 1}))}}
	require.NoError(t, p.Check())
	k := Compile(p, DropWAR, impls.Shape{Batch: 1, Heads: 1, Window: 1, Dim: 1, DType: impls.U8}, 1).Kernels
	require.Len(t, k, 1)
	require.True(t, k[0].Conflict())
	_, found := k[0].Hazard()
	require.False(t, found)
}

// BenchmarkDetector finds every hazard of the shift of 65,536 cells, a block a
// cell: the work that Oclgrind does in docs/bench.
func BenchmarkDetector(b *testing.B) {
	p := downShift(65_536)
	k := Compile(p, DropWAR, impls.Shape{Batch: 1, Heads: 1, Window: 65_536, Dim: 1, DType: impls.F32}, 1).Kernels[0]
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		k.Hazards(func(Hazard) bool { n++; return true })
		if n != 65_534 {
			b.Fatal(n)
		}
	}
}
