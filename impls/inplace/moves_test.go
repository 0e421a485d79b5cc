package inplace

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
)

// What moves do is what the kernels of a plan do one by one.
func TestRunMoves(t *testing.T) {
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
		d.RunMoves(Lower(p, Fused, 4).Moves(), &s, got)
		require.Equal(t, want, got)
	}
	racy := Program{Buffers: []Buffer{{Name: "x", Rows: 3}}, Stmts: []Stmt{Assign("x", 0, 2, View("x", 1, 3))}}
	require.Nil(t, Lower(racy, DropWAR, 1).Moves(), "its blocks read what others write")
	require.NotEmpty(t, Lower(racy, Fused, 1).Moves())
}

// Moves are in rows; a program that adds, or returns rows and elements exchanged, has none.
func TestMovesOfPrograms(t *testing.T) {
	of := func(lines ...string) Moves { return Lower(programOf(t, lines...), Fused, 1).Moves() }
	require.Equal(t, Moves{
		{dst: 0, src: 1, to: 1, from: 2, n: 2, toRows: 6, fromRows: 4},
		{dst: 0, src: 0, to: 4, from: 0, n: 1, toRows: 6, fromRows: 6},
	}, of("x[1:3] = y[2:4]", "x[4:5] = x[0:1]"))
	require.Nil(t, of("x[1:3] += y[2:4]"))
	require.Nil(t, of("return transpose(y[0:4])"))
	require.Equal(t, Moves{{dst: 2, src: 1, to: 0, from: 1, n: 2, toRows: 2, fromRows: 4}}, of("return y[1:3]"))
}
