package inplace

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
)

// What mutants of these lines lived through: see .ci/mutants.
func TestNamesOfAllLetters(t *testing.T) {
	for _, name := range []string{"z", "Z", "a", "_", "z9"} {
		s, err := ParseStmt(name + " = x[0:1]")
		require.NoError(t, err, name)
		require.Equal(t, name+" = x[0:1]", s.String())
	}
	_, err := ParseStmt("9 = x[0:1]")
	require.Error(t, err)
}

func TestNestingInTheLastArgument(t *testing.T) {
	text := "t = " + strings.Repeat("index_copy(x[0:1], [0], ", maxDepth+2) + "x[0:1]" + strings.Repeat(")", maxDepth+2)
	_, err := ParseStmt(text)
	require.ErrorContains(t, err, "nested expressions")
}

func TestKernelOfNothing(t *testing.T) {
	k := NewKernel(0, 4, nil)
	require.Zero(t, k.Cells())
	require.Zero(t, k.Blocks())
}

// Stretches that touch and share no cell need no order.
func TestNeighboursAreDisjoint(t *testing.T) {
	require.True(t, NewKernel(0, 1, []Copy{{To: 0, From: 2, N: 2}}).disjoint)
	require.False(t, NewKernel(0, 1, []Copy{{To: 0, From: 1, N: 2}}).disjoint)
}

// programOf parses a program of two buffers, x of six rows and y of four.
func programOf(t *testing.T, lines ...string) Program {
	t.Helper()
	p := Program{Buffers: []Buffer{{"x", 6}, {"y", 4}}}
	for _, line := range lines {
		s, err := ParseStmt(line)
		require.NoError(t, err)
		p.Stmts = append(p.Stmts, s)
	}
	require.NoError(t, p.Check())
	return p
}

// kernelsOf is how many kernels a program has in a lowering.
func kernelsOf(t *testing.T, how Lowering, lines ...string) int {
	t.Helper()
	return len(lower(programOf(t, lines...), how, 1).kernels)
}

// Which statements need a copy of their source, and which are done in place.
func TestKernelsOfStatements(t *testing.T) {
	for _, x := range []struct {
		line         string
		eager, fused int
	}{
		{"x[[0, 1]] = y[0:2]", 2, 1},
		{"x[[0, 1]] = x[1:3]", 2, 2}, // the source is what is being written
		{"x[[0, 1]] = x[4:6]", 2, 2}, // also where no row is: a barrier asks for a buffer
		{"x[[]] = y[0:0]", 1, 1},
		{"x[[0, 1]] = gather(y[0:4], [1, 2])", 2, 1},
		{"x[[0, 1]] = gather(y[0:4], [2, 1])", 2, 2},
		{"x[[0, 1]] = cat(y[0:1], x[2:3])", 2, 2},
		{"x[0:2] = y[0:2]", 2, 1},
		{"x[0:2] = x[2:4]", 2, 1},
		{"x[0:2] = x[1:3]", 2, 2},
		{"x[1:3] = x[0:2]", 2, 2},
		{"x[0:2] = x[0:2]", 2, 1},
		{"x[1:3] = cat(x[1:2], y[0:1])", 2, 1}, // a row copied to itself does no harm
		{"x[2:3] = x[3:4]", 2, 1},
		{"x[0:6:2] = x[1:6:2]", 2, 1},
		{"x[0:6] = index_copy(x[0:6], [5], y[0:1])", 3, 1},
		{"x[0:6] = index_copy(x[0:6], [5], x[0:1])", 3, 2},
		{"x[0:5] = index_copy(x[1:6], [4], y[0:1])", 3, 3},
		{"x[0:2] += y[0:2]", 2, 1},
		{"x[0:2] += x[1:3]", 2, 2},
	} {
		require.Equal(t, x.eager, kernelsOf(t, Eager, x.line), "eager %s", x.line)
		require.Equal(t, x.fused, kernelsOf(t, Fused, x.line), "fused %s", x.line)
	}
}

// A value that is still to be computed when its source is overwritten is computed before,
// if it is used afterwards, and only then.
func TestKernelsOfReaders(t *testing.T) {
	for name, x := range map[string]struct {
		fused int
		lines []string
	}{
		"used later":             {3, []string{"t = clone(x[0:2])", "x[0:2] = y[0:2]", "y[0:2] = t[0:2]"}},
		"used in a sum":          {3, []string{"t = clone(x[0:2])", "x[0:2] = y[0:2]", "y[0:2] = y[2:4] + t[0:2]"}},
		"used by the write":      {1, []string{"t = clone(y[0:2])", "x[0:2] = t[0:2]"}},
		"used before alone":      {2, []string{"t = clone(x[0:2])", "y[0:2] = t[0:2]", "x[0:2] = y[2:4]"}},
		"not used":               {1, []string{"t = clone(x[0:2])", "x[0:2] = y[0:2]"}},
		"another name is used":   {2, []string{"t = clone(x[0:2])", "x[0:2] = y[0:2]", "y[0:2] = x[2:4]"}},
		"other rows are written": {2, []string{"t = clone(x[0:2])", "x[2:4] = y[0:2]", "y[0:2] = t[0:2]"}},
		"defined anew":           {2, []string{"t = clone(x[0:2])", "x[0:2] = y[0:2]", "t = clone(y[0:1])", "y[1:2] = t[0:1]"}},
		"written to":             {4, []string{"t = clone(x[0:2])", "x[0:2] = y[0:2]", "t[0:1] = y[2:3]", "y[0:2] = t[0:2]"}},
		"written to alone":       {3, []string{"t = clone(x[0:2])", "x[0:2] = y[0:2]", "t[0:1] = y[2:3]"}},
		"written by a barrier":   {3, []string{"t = clone(x[0:2])", "x[[1]] = y[0:1]", "y[0:2] = t[0:2]"}},
		"returned":               {3, []string{"t = clone(x[0:2])", "x[0:2] = y[0:2]", "return t[0:2]"}},
		"a view, not a value":    {2, []string{"t = x[0:2]", "x[0:2] = y[0:2]", "y[0:2] = t[0:2]"}},
		"a chain":                {1, []string{"t = clone(x[0:2])", "t[0:1] = y[0:1]", "x[2:4] = t[0:2]"}},
	} {
		require.Equal(t, x.fused, kernelsOf(t, Fused, x.lines...), name)
	}
}

// Rows that go on in the destination and in each source are one run.
func TestRuns(t *testing.T) {
	const x, y = 0, 1
	from := func(store, r int) row { return row{{store, r}} }
	for line, want := range map[string][]run{
		"x[0:4] = y[0:4]":                       {{0, 4, from(y, 0)}},
		"x[2:4] = y[1:3]":                       {{2, 2, from(y, 1)}},
		"x[0:2] = flip(y[0:2])":                 {{0, 1, from(y, 1)}, {1, 1, from(y, 0)}},
		"x[0:4:2] = y[0:2]":                     {{0, 1, from(y, 0)}, {2, 1, from(y, 1)}},
		"x[0:3] = cat(y[2:4], y[0:1])":          {{0, 2, from(y, 2)}, {2, 1, from(y, 0)}},
		"x[0:2] = cat(y[0:1], x[5:6])":          {{0, 1, from(y, 0)}, {1, 1, from(x, 5)}},
		"x[0:2] = y[0:2] + y[2:4]":              {{0, 2, row{{y, 0}, {y, 2}}}},
		"x[0:2] = y[0:2] + flip(y[2:4])":        {{0, 1, row{{y, 0}, {y, 3}}}, {1, 1, row{{y, 1}, {y, 2}}}},
		"x[0:2] = cat(y[0:1], y[1:2] + y[2:3])": {{0, 1, from(y, 0)}, {1, 1, row{{y, 1}, {y, 2}}}},
		"x[3::-1] = flip(y[0:4])":               {{0, 4, from(y, 0)}},
		"x[[3, 4, 0]] = y[0:3]":                 {{3, 2, from(y, 0)}, {0, 1, from(y, 2)}},
		"x[0:3] = gather(y[0:4], [1, 2, 0])":    {{0, 2, from(y, 1)}, {2, 1, from(y, 0)}},
		"x[0:4] = roll(y[0:4], 1)":              {{0, 1, from(y, 3)}, {1, 3, from(y, 0)}},
		"x[0:2] = cat(y[3:4], x[4:5])":          {{0, 1, from(y, 3)}, {1, 1, from(x, 4)}},
		"x[mask 101000] = y[0:2]":               {{0, 1, from(y, 0)}, {2, 1, from(y, 1)}},
	} {
		l := lower(programOf(t, line), Fused, 1)
		require.Len(t, l.kernels, 1, line)
		require.Equal(t, want, l.kernels[0].runs, line)
	}
}

// A kernel's cells are those of its destination in the order of memory, and stretches
// that go on in memory are one.
func TestCopiesOfPlans(t *testing.T) {
	heads := impls.Shape{Batch: 1, Heads: 2, Window: 6, Dim: 3, DType: impls.F32}
	tokens := heads
	tokens.Layout = impls.TokensFirst
	for _, x := range []struct {
		shape impls.Shape
		line  string
		want  []Copy
	}{
		{heads, "x[0:2] = y[1:3]", []Copy{{Cell: 0, Dst: 0, To: 0, Src: 1, From: 3, N: 6}, {Cell: 6, Dst: 0, To: 18, Src: 1, From: 15, N: 6}}},
		{tokens, "x[0:2] = y[1:3]", []Copy{{Cell: 0, Dst: 0, To: 0, Src: 1, From: 6, N: 12}}},
		{tokens, "x[1:3] = flip(y[0:2])", []Copy{{Cell: 0, Dst: 0, To: 6, Src: 1, From: 6, N: 6}, {Cell: 6, Dst: 0, To: 12, Src: 1, From: 0, N: 6}}},
		{heads, "y[0:4] = x[0:4]", []Copy{{Cell: 0, Dst: 1, To: 0, Src: 0, From: 0, N: 12}, {Cell: 12, Dst: 1, To: 12, Src: 0, From: 18, N: 12}}},
		{tokens, "y[0:4] = x[0:4]", []Copy{{Cell: 0, Dst: 1, To: 0, Src: 0, From: 0, N: 24}}},
		{tokens, "x[0:2] = y[0:2] + y[2:4]", []Copy{{Cell: 0, Dst: 0, To: 0, Src: 1, From: 0, N: 12, More: []Term{{1, 12}}}}},
		// A sum goes on from lane to lane where each summand does.
		{heads, "y[0:4] = y[0:4] + y[0:4]", []Copy{{Cell: 0, Dst: 1, To: 0, Src: 1, From: 0, N: 24, More: []Term{{1, 0}}}}},
		{heads, "y[0:4] = y[0:4] + x[0:4]", []Copy{{Cell: 0, Dst: 1, To: 0, Src: 1, From: 0, N: 12, More: []Term{{0, 0}}}, {Cell: 12, Dst: 1, To: 12, Src: 1, From: 12, N: 12, More: []Term{{0, 18}}}}},
		{heads, "y[0:4] = x[0:4] + y[0:4]", []Copy{{Cell: 0, Dst: 1, To: 0, Src: 0, From: 0, N: 12, More: []Term{{1, 0}}}, {Cell: 12, Dst: 1, To: 12, Src: 0, From: 18, N: 12, More: []Term{{1, 12}}}}},
	} {
		plan := Compile(programOf(t, x.line), Fused, x.shape, 4)
		require.Len(t, plan.Kernels, 1)
		k := plan.Kernels[0]
		require.Equal(t, x.want, k.Copies, x.line)
		require.Equal(t, x.want[len(x.want)-1].Cell+x.want[len(x.want)-1].N, k.Cells())
		require.Equal(t, (k.Cells()+3)/4, k.Blocks())
		for _, c := range x.want {
			for i := range c.N {
				store, at := k.Destination(c.Cell + i)
				require.Equal(t, []int{c.Dst, c.To + i}, []int{store, at})
			}
		}
	}
}

// Cell is the inverse of Offset, and each offset is that of one cell.
func TestCellsOfStorages(t *testing.T) {
	for _, layout := range []impls.Layout{impls.HeadsFirst, impls.TokensFirst} {
		s := impls.Shape{Batch: 2, Heads: 3, Window: 6, Dim: 5, DType: impls.U8, Layout: layout}
		plan := Compile(programOf(t, "return transpose(x[0:4])"), Fused, s, 4)
		require.Equal(t, []int{2}, plan.Returns)
		for store, rows := range plan.Rows {
			require.Equal(t, store == 2, plan.Transposed(store))
			seen := map[int]bool{}
			for lane := range s.Lanes() {
				for r := range rows {
					for e := range s.Dim {
						at := plan.Offset(store, lane, r, e)
						require.False(t, seen[at])
						require.Less(t, at, s.Lanes()*rows*s.Dim)
						seen[at] = true
						l, r2, e2 := plan.Cell(store, at)
						require.Equal(t, []int{lane, r, e}, []int{l, r2, e2})
					}
				}
			}
		}
	}
}

// Long kernels without conflicts are done in pieces, whose ends are not those of blocks
// or of stretches; the result is that of blocks in their order.
func TestHostInPieces(t *testing.T) {
	s := impls.Shape{Batch: 2, Heads: 2, Window: 6, Dim: 40_000, DType: impls.U8}
	plan := Compile(programOf(t, "x[0:4] = roll(y[0:4], 1)"), Fused, s, 1000)
	require.Len(t, plan.Kernels, 1)
	k := plan.Kernels[0]
	require.True(t, k.disjoint)
	fresh := func() [][]byte {
		mem := [][]byte{make([]byte, s.Lanes()*6*s.Dim), make([]byte, s.Lanes()*4*s.Dim)}
		for i := range mem[1] {
			mem[1][i] = byte(i*7 + i>>8)
		}
		return mem
	}
	sim, host := fresh(), fresh()
	(&Sim{}).Run(k, sim, 1, nil)
	(&Host{}).Run(k, host, 1, nil)
	require.True(t, bytes.Equal(sim[0], host[0]))
	for workers := range 9 {
		again := fresh()
		k.runPieces(again, 1, workers)
		require.Equal(t, workers > 0, bytes.Equal(sim[0], again[0]))
	}
	odd := fresh()
	for lo := 0; lo < k.Cells(); lo += 77_777 {
		k.runStretches(lo, min(lo+77_777, k.Cells()), odd, 1)
	}
	require.True(t, bytes.Equal(sim[0], odd[0]))
}

// A cell of two bytes is its tensor's, lane's and element's offset and as many strides as
// its token's number says, among the numbers of the code.
func TestCellsOfACode(t *testing.T) {
	s := &impls.Shape{Batch: 1, Heads: 3, Dim: 2, DType: impls.BF16}
	c := Code{Codes: 1000, Stride: 7, Half: 500, Low: 100, High: 4000}
	for i := range 2 * 3 * 2 {
		c.Offsets = append(c.Offsets, uint32(20*i))
	}
	require.Equal(t, uint32(100), c.Cell(s, 0, 0, 0, Padding))
	require.Equal(t, uint32(100+20*(2*2+1)+7), c.Cell(s, 0, 2, 1, 0))
	require.Equal(t, uint32(100+20*(3*2+2+1)+14), c.Cell(s, 1, 1, 1, 1))
	require.Equal(t, uint32(4000+20*11+7*41-500), c.Cell(s, 1, 2, 1, 40), "from Half on")
	require.Equal(t, uint32(100+20*11+7*141-1000), c.Cell(s, 1, 2, 1, 140), "modulo Codes")
	require.Zero(t, c.Cell(s, 1, 2, 1, Empty))
}
