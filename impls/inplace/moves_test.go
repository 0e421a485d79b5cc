package inplace

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
)

// What a plan does at once is what its kernels do one by one.
func TestRunPlan(t *testing.T) {
	p := Program{Buffers: []Buffer{{Name: "x", Rows: 5}, {Name: "new", Rows: 1}}, Stmts: []Stmt{
		Define("t", Gather(View("x", 0, 5), []int{1, 2, 3, 4, 0})),
		Define("u", IndexCopy(View("t", 0, 5), []int{4}, View("new", 0, 1))),
		Assign("x", 0, 5, View("u", 0, 5)),
	}}
	for _, layout := range []impls.Layout{impls.HeadsFirst, impls.TokensFirst} {
		s := impls.Shape{Batch: 2, Heads: 3, Window: 5, Dim: 2, DType: impls.BF16, Layout: layout}
		plan := Compile(p, Fused, s, 4)
		memory := func() [][]byte {
			mem := make([][]byte, len(plan.Rows))
			n := byte(0)
			for i, rows := range plan.Rows {
				mem[i] = make([]byte, rows*s.Lanes()*s.RowBytes())
				for k := range mem[i] {
					n++
					mem[i][k] = n
				}
			}
			return mem
		}
		want, got, d := memory(), memory(), &Sim{}
		for _, k := range plan.Kernels {
			d.Run(k, want, s.DType.Size(), nil)
		}
		require.True(t, d.RunPlan(plan, got))
		require.Equal(t, want, got)
	}
	racy := Program{Buffers: []Buffer{{Name: "x", Rows: 3}}, Stmts: []Stmt{Assign("x", 0, 2, View("x", 1, 3))}}
	plan := Compile(racy, DropWAR, impls.Shape{Batch: 1, Heads: 1, Window: 3, Dim: 1, DType: impls.F32}, 1)
	mem := [][]byte{make([]byte, 12)}
	require.False(t, (&Sim{}).RunPlan(plan, mem), "its blocks read what others write")
}
