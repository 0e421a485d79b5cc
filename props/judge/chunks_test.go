package judge

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// started is a judge in the middle of a case of a cache without abilities.
func started(t *testing.T, s impls.Shape) *Judge {
	t.Helper()
	j := New()
	require.NoError(t, j.Start(s, &again{j: j}, oracle.Chunks))
	return j
}

// A chunk of another shape has the cells of the cache's own tokens as far as it has such,
// and those that follow where it has more; one of another type names its own.
func TestMismatchedChunks(t *testing.T) {
	s := impls.Shape{Batch: 2, Heads: 2, Window: 4, Dim: 2, DType: impls.F32}
	j := started(t, s)
	own := func(tensor oracle.Tensor, lane, serial int) []byte {
		row := make([]byte, s.RowBytes())
		j.code.PutRow(row, tensor, lane, serial)
		return row
	}
	for _, x := range []struct {
		op    corpus.Op
		lanes []int // of the cache, whose cells a lane of the chunk has
		dim   int
	}{
		{corpus.Op{N: 3, Batch: 1}, []int{0, 1}, 2},
		{corpus.Op{N: 3, Batch: 3}, []int{0, 1, 2, 3, 0, 1}, 2},
		{corpus.Op{N: 3, Heads: 1}, []int{0, 2}, 2},
		{corpus.Op{N: 1, Heads: 3}, []int{0, 1, 0, 2, 3, 2}, 2},
		{corpus.Op{N: 2, Dim: 1}, []int{0, 1, 2, 3}, 1},
		{corpus.Op{N: 2, Dim: 5}, []int{0, 1, 2, 3}, 5},
	} {
		k, v, err := compared{j}.Mismatched(&x.op, 7)
		require.NoError(t, err)
		for tensor, got := range []impls.Tensor{k, v} {
			require.Equal(t, []int{len(x.lanes), x.op.N, x.dim}, []int{got.Lanes(), got.Rows, got.Dim})
			for lane, of := range x.lanes {
				for i := range x.op.N {
					row := own(oracle.Tensor(tensor), of, 7+i)
					for e := range x.dim {
						require.Equal(t, row[e%s.Dim*4:e%s.Dim*4+4], got.Row(lane, i)[e*4:e*4+4], "%+v lane %d row %d", x.op, lane, i)
					}
				}
			}
		}
	}
	k, v, err := compared{j}.Mismatched(&corpus.Op{N: 2, DType: "U8", Dim: 3}, 7)
	require.NoError(t, err)
	other := s
	other.DType, other.Dim = impls.U8, 3
	code, err := j.Encoding(other)
	require.NoError(t, err)
	row := make([]byte, 3)
	for tensor, got := range []impls.Tensor{k, v} {
		require.Equal(t, impls.U8, got.DType)
		for lane := range 4 {
			for i := range 2 {
				code.PutRow(row, oracle.Tensor(tensor), lane, 7+i)
				require.Equal(t, row, got.Row(lane, i))
			}
		}
	}
}

// Encodings of small shapes are made once, and those of large ones not kept; what is kept
// is bounded.
func TestEncodingsAreRemembered(t *testing.T) {
	j := New()
	of := func(batch, heads, dim int) *oracle.Encoding {
		e, err := j.Encoding(impls.Shape{Batch: batch, Heads: heads, Window: 1, Dim: dim, DType: impls.F32})
		require.NoError(t, err)
		return e
	}
	require.Same(t, of(1, 2, 3), of(1, 2, 3))
	require.NotSame(t, of(1, 2, 3), of(2, 1, 3))
	require.Same(t, of(1, 1, maxCells), of(1, 1, maxCells))
	require.NotSame(t, of(1, 1, maxCells+1), of(1, 1, maxCells+1))
	first := of(1, 1, 1)
	for i := range maxRemembered - len(j.codes) {
		j.codes[codeKey{dims: -1 - i}] = &code{}
	}
	require.Same(t, first, of(1, 1, 1))
	of(7, 7, 7)
	require.Len(t, j.codes, 1, "they begin anew")
	require.NotSame(t, first, of(1, 1, 1))
}

// The orders that are kept are bounded too.
func TestOrdersAreBounded(t *testing.T) {
	j := New()
	first := j.orderOf(inplace.Schedule{Kind: inplace.Random})
	for seed := range uint64(maxRemembered) {
		j.orderOf(inplace.Schedule{Kind: inplace.Random, Seed: seed})
	}
	require.Same(t, first, j.orderOf(inplace.Schedule{Kind: inplace.Random}))
	j.orderOf(inplace.Schedule{Kind: inplace.Random, Seed: maxRemembered})
	require.NotSame(t, first, j.orderOf(inplace.Schedule{Kind: inplace.Random}))
}

// Rows of a lane are compared whatever the strides, and memory is used again.
func TestRowsOfTensors(t *testing.T) {
	for _, layout := range []impls.Layout{impls.HeadsFirst, impls.TokensFirst} {
		x := impls.NewTensor(impls.Shape{Batch: 1, Heads: 2, Dim: 2, DType: impls.U8, Layout: layout}, 4)
		var want [2][]byte
		for lane := range 2 {
			for row := range 4 {
				copy(x.Row(lane, row), []byte{byte(10*lane + row + 1), byte(100 + row)})
				want[lane] = append(want[lane], x.Row(lane, row)...)
			}
		}
		for lane := range 2 {
			require.True(t, sameRows(&x, lane, 0, want[lane]))
			require.True(t, sameRows(&x, lane, 2, want[lane][4:6]))
			require.True(t, sameRows(&x, lane, 4, nil))
			require.False(t, sameRows(&x, lane, 1, want[lane][:2]))
			require.False(t, sameRows(&x, lane, 0, want[1-lane]))
			for i := range want[lane] {
				wrong := append([]byte(nil), want[lane]...)
				wrong[i]++
				require.False(t, sameRows(&x, lane, 0, wrong))
			}
		}
	}
	b := make([]byte, 3, 8)
	require.Len(t, grow(b, 8), 8)
	require.Same(t, &b[0], &grow(b, 8)[0])
	require.Len(t, grow(b, 9), 9)
	require.Len(t, grow(b, 0), 0)
}

// A picture of a failure has as many rows as fit, around the wrong one, and all lanes
// that are wrong as far as they fit.
func TestPictures(t *testing.T) {
	x := impls.NewTensor(impls.Shape{Batch: 1, Heads: 6, Dim: 1, DType: impls.U8}, 40)
	v := view{
		x:        &x,
		want:     func(_, _ int) []byte { return []byte{0} },
		name:     func(_, row int) (int, string) { return row, "nothing" },
		describe: func([]byte, int, int) string { return "something" },
	}
	rowsOf := func(l corpus.SeenLane) (rows []int) {
		for _, r := range l.Rows {
			rows = append(rows, r.Row)
		}
		return rows
	}
	for row, first := range map[int]int{0: 0, 12: 0, 13: 1, 28: 16, 39: 16} {
		x.Row(1, row)[0] = 1
		d := &corpus.Divergence{Lane: 1, Row: row}
		v.note(d)
		rows := rowsOf(d.Seen.Drawn[0])
		require.Len(t, rows, lookRows)
		require.Equal(t, []int{first, first + lookRows - 1}, []int{rows[0], rows[len(rows)-1]}, row)
		require.Equal(t, []int{1, 1}, []int{d.Seen.WrongLanes, d.Seen.Drawn[0].Wrong})
		require.Len(t, d.Seen.Drawn, 1)
		x.Row(1, row)[0] = 0
	}
	for lane := range 6 {
		x.Row(lane, 20)[0], x.Row(lane, 30)[0] = 1, 1
	}
	d := &corpus.Divergence{Lane: 2, Row: 20}
	v.note(d)
	require.Equal(t, []int{6, 40, 6}, []int{d.Seen.Lanes, d.Seen.Rows, d.Seen.WrongLanes})
	require.Len(t, d.Seen.Drawn, lookLanes)
	for i, lane := range []int{2, 0, 1, 3} {
		l := d.Seen.Drawn[i]
		require.Equal(t, lane, l.Lane)
		require.Equal(t, 2, l.Wrong)
		if i > 0 {
			require.Equal(t, []int{16, 17, 18, 19, 20, 21, 22, 23}, rowsOf(l))
		}
	}
	lane := []corpus.SeenRow{{Row: 4}, {Row: 5}}
	for row, want := range map[int][]int{3: {3, 4, 5}, 4: {4, 5}, 5: {4, 5}, 6: {4, 5, 6}} {
		require.Equal(t, want, rowsOf(corpus.SeenLane{Rows: v.with(lane[:2:2], 0, row)}))
	}
	require.Equal(t, []int{7}, rowsOf(corpus.SeenLane{Rows: v.with(nil, 0, 7)}))
}

// What buffers should hold is told of the last statements, and of the first rows.
func TestHeldBefore(t *testing.T) {
	p := inplace.Program{Buffers: []inplace.Buffer{{Name: "x", Rows: 20}}}
	for range lookStatement + 3 {
		s, err := inplace.ParseStmt("x[0:1] = x[1:2]")
		require.NoError(t, err)
		p.Stmts = append(p.Stmts, s)
	}
	s, err := inplace.ParseStmt("return x[0:2] + x[18:20]")
	require.NoError(t, err)
	p.Stmts = append(p.Stmts, s)
	all := before(p, len(p.Stmts)-1)
	require.Len(t, all, lookStatement)
	require.Equal(t, []string{"x1+x18", "x1+x19"}, all[len(all)-1].Rows)
	require.Zero(t, all[len(all)-1].More)
	require.Len(t, all[0].Rows, lookHeld)
	require.Equal(t, 20-lookHeld, all[0].More)
	require.Equal(t, []string{"x1", "x1", "x2"}, all[0].Rows[:3])
	require.Len(t, before(p, 0), 1)
	require.Len(t, before(p, lookStatement-1), lookStatement)
}

// A case that ran elsewhere may have stopped before its last operation: no plan is known
// of what comes after.
func TestPlansOfWhatRanElsewhere(t *testing.T) {
	j, plan := New(), &inplace.Plan{}
	a := &again{j: j, ran: Ran{Plans: []*inplace.Plan{plan}, Refused: []bool{true}}}
	require.Same(t, plan, a.LastPlan())
	require.Error(t, a.outcome())
	j.op = 1
	require.Nil(t, a.LastPlan())
	require.NoError(t, a.outcome())
}

// Each lane of a buffer that ran elsewhere is judged by the tokens of its entry.
func TestLanesOfWhatRanElsewhere(t *testing.T) {
	s := impls.Shape{Batch: 2, Heads: 2, Window: 3, Dim: 1, DType: impls.F32}
	c := &corpus.Case{Shape: s, Ops: []corpus.Op{{Kind: corpus.Append, N: 2}}}
	d := New().After(c, 0, oracle.Keys, make([]byte, s.Lanes()*s.Window*s.RowBytes()), Ran{})
	require.Equal(t, []any{corpus.FaultRows, "returned", 0, 0, 8}, []any{d.Fault, d.Where, d.Lane, d.Row, d.Wrong})
	require.Equal(t, s.Lanes(), d.Seen.WrongLanes)
	for lane, l := range d.Seen.Drawn {
		require.Equal(t, []int{lane, 2}, []int{l.Lane, l.Wrong})
		for row, position := range []int{0, 1, -1} {
			require.Equal(t, position, l.Rows[row].Position)
		}
	}
}

// What a program returns is named in its order, whatever buffers it has.
func TestNamesOfReturned(t *testing.T) {
	p := inplace.Program{Buffers: []inplace.Buffer{{Name: "x", Rows: 3}, {Name: "y", Rows: 3}}}
	v := NewLabels(p)
	for _, line := range []string{"return x[0:1]", "x[0:1] = y[0:1]", "return transpose(y[0:2])"} {
		s, err := inplace.ParseStmt(line)
		require.NoError(t, err)
		v.Statement(s)
	}
	require.Equal(t, 4, v.Outputs())
	for i, want := range []string{"x", "y", "return1", "return2"} {
		require.Equal(t, want, v.outputs[i].name)
		require.Equal(t, i == 3, v.outputs[i].transposed)
	}
	require.Equal(t, []int32{3, 1, 2}, v.Positions(0))
	require.Equal(t, []int32{0}, v.Positions(2))
}
