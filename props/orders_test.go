package props

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// What the design claims of the kernels of programs, by brute force: every order of up
// to 6 blocks, from cells that all differ. Without sums a kernel has a hazard exactly when
// some order comes to something else than its meaning; with sums, which may be right by
// chance, one without a conflict comes to its meaning in every order.
func TestDetectorIsExactOnPrograms(t *testing.T) {
	t.Parallel()
	const maxBlocks = 6
	programs := 4000
	if testing.Short() {
		programs = 400
	}
	r := rand.New(rand.NewPCG(5, 6))
	in := make([]byte, corpus.MaxDraw)
	kinds := map[inplace.HazardKind]int{}
	forms := map[string]int{}
	for range programs {
		for i := range in {
			in[i] = byte(r.Uint32())
		}
		c := corpus.DecodeProgram(append([]byte(corpus.ProgramPrefix), in[:10+r.IntN(len(in)-10)]...))
		p := c.Program
		if !p.Adds() {
			c.Shape.DType = impls.I32
		}
		c.Shape.Batch, c.Shape.Heads = 1, 1+r.IntN(2)
		rows := 0
		for _, b := range p.Buffers {
			rows = max(rows, b.Rows)
		}
		// So that most kernels have a few blocks.
		c.Block = max(1, c.Shape.Lanes()*c.Shape.Dim*rows/(2+r.IntN(maxBlocks-1)))
		lowering := [...]inplace.Lowering{inplace.DropWAR, inplace.DropWAR, inplace.DropClone, inplace.Fused, inplace.Eager}[r.IntN(5)]
		plan := inplace.Compile(p, lowering, c.Shape, c.Block)
		for _, k := range plan.Kernels {
			if k.Blocks() > maxBlocks || k.Blocks() < 2 {
				continue
			}
			want := distinct(c.Shape, plan)
			meaning(c.Shape.DType, k, want)
			diverges := false
			orders(k.Blocks(), func(order []int32) bool {
				got := distinct(c.Shape, plan)
				(&inplace.Sim{}).Run(k, got, 4, order)
				for i := range got {
					diverges = diverges || !bytes.Equal(got[i], want[i])
				}
				return !diverges
			})
			h, found := k.Hazard()
			if k.Adds() {
				forms["sums"]++
				if !k.Conflict() {
					require.False(t, diverges, "%s\n%s, blocks of %d, copies %+v", c.Text(), lowering, k.Block, k.Copies)
					forms["sums, no conflict"]++
				}
				continue
			}
			require.Equal(t, diverges, found, "%s\n%s, blocks of %d, copies %+v", c.Text(), lowering, k.Block, k.Copies)
			kinds[h.Kind]++
			switch s := p.Stmts[k.Stmt]; {
			case s.Form != inplace.NotReturned:
				forms["returned"]++
			case s.Mask != nil:
				forms["mask"]++
			case s.Step != 0:
				forms["step"]++
			}
		}
	}
	t.Logf("%d programs: %v without sums; %v", programs, kinds, forms)
	for _, what := range []string{"sums", "sums, no conflict", "returned", "mask", "step"} {
		require.Positive(t, forms[what], what)
	}
	require.Positive(t, kinds[inplace.NoHazard])
	require.Positive(t, kinds[inplace.WAR])
}

// distinct is the storages of a plan, whose cells all differ.
func distinct(s impls.Shape, plan *inplace.Plan) [][]byte {
	mem := make([][]byte, len(plan.Rows))
	for i, rows := range plan.Rows {
		mem[i] = make([]byte, 4*s.Lanes()*rows*s.Dim)
		oracle.PutExact(s.DType == impls.F32, mem[i], 0, i)
	}
	return mem
}

// meaning does what a kernel should do: destination after destination, each read whole
// before it is written.
func meaning(dtype impls.DType, k *inplace.Kernel, mem [][]byte) {
	for i := 0; i < len(k.Copies); {
		old := make([][]byte, len(mem))
		for s := range mem {
			old[s] = bytes.Clone(mem[s])
		}
		dst := k.Copies[i].Dst
		for ; i < len(k.Copies) && k.Copies[i].Dst == dst; i++ {
			c := k.Copies[i]
			to := mem[dst][4*c.To : 4*(c.To+c.N)]
			copy(to, old[c.Src][4*c.From:])
			for _, t := range c.More {
				oracle.AddCells(dtype == impls.F32, to, old[t.Src][4*t.From:4*(t.From+c.N)])
			}
		}
	}
}

// orders calls f with every order of n blocks until it returns false.
func orders(n int, f func([]int32) bool) {
	order := make([]int32, n)
	for i := range order {
		order[i] = int32(i)
	}
	var from func(int) bool
	from = func(i int) bool {
		if i == n {
			return f(order)
		}
		for j := i; j < n; j++ {
			order[i], order[j] = order[j], order[i]
			if !from(i + 1) {
				return false
			}
			order[i], order[j] = order[j], order[i]
		}
		return true
	}
	from(0)
}
