package judge

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// noting is a device that notes the kernels that it runs, and may do something to the
// memory after each.
type noting struct {
	inplace.Sim
	stmts  []int
	orders [][]int32
	after  func(k *inplace.Kernel, mem [][]byte)
}

func (d *noting) Run(k *inplace.Kernel, mem [][]byte, size int, order []int32) {
	d.stmts, d.orders = append(d.stmts, k.Stmt), append(d.orders, order)
	d.Sim.Run(k, mem, size, order)
	if d.after != nil {
		d.after(k, mem)
	}
}

// ran is what is wrong with a program of so many lanes and elements in F32, in blocks of
// one cell.
func ran(t *testing.T, d *noting, batch, dim string, lowering, lines string) *corpus.Divergence {
	t.Helper()
	c, err := corpus.Parse("case", []byte("slidefuzz case v1\nshape batch="+batch+" heads=1 window=1 dim="+dim+" dtype=F32 layout=heads-first\ntarget program/"+lowering+"/sim\nblock 1\n"+lines), 0)
	require.NoError(t, err)
	p, ok := c.TheProgram()
	require.True(t, ok)
	x, err := New().Program(t.Context(), c, p, d)
	require.NoError(t, err)
	return x
}

// An order is that of one kernel of one statement, counted from the statement's first.
func TestOrdersOfStatements(t *testing.T) {
	d := &noting{}
	require.Nil(t, ran(t, d, "1", "1", "eager", `schedule descending
order 1 x 1: 1 0
order 2 y 0: 1 2 0
order 2 y 1: 2 0 1
order 2 x 0: 0 1 2
order 3 return1 0: 2 1
buffer x 3
buffer y 3
x[0:2] = x[1:3]
y[0:3] = x[0:3]
return y[0:3]
`))
	require.Equal(t, []int{0, 0, 1, 1, 2}, d.stmts)
	require.Equal(t, [][]int32{{1, 0}, {1, 0}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}, d.orders)
}

// The race behind a wrong cell is one of the statement's own kernels, else of those of
// the newest statement before that has one.
func TestRacesOfStatements(t *testing.T) {
	d := ran(t, &noting{}, "1", "1", "drop-war", `schedule descending
buffer state 4
buffer new 2
new[0:1] = new[1:2]
state[0:4] = cat(state[2:4], new[0:2])
`)
	require.NotNil(t, d)
	require.Equal(t, []any{2, "statement", "state", corpus.FaultRows, "stored", 0}, []any{d.Op, d.OpKind, d.Tensor, d.Fault, d.Where, d.Row})
	require.NotNil(t, d.Race)
	require.Equal(t, inplace.WAR, d.Kind())
	require.Equal(t, []int{1, 0}, []int{d.Race.Kernel.Stmt, d.Race.Index})
	require.Equal(t, 2, d.Race.HazardRow, "row 0 is what row 2 held")
	require.Equal(t, []int32{3, 2, 1, 0}, d.Race.Order)
	require.Equal(t, []string{"state", "new"}, d.Race.Names[:2])

	d = ran(t, &noting{}, "1", "1", "drop-war", `schedule ascending
order 3 t 0: 1
buffer x 1
buffer y 5
t = cat(y[0:5], y[0:2])
y[0:1] = x[0:1]
t[0:2] = t[1:3]
x[[0]] = t[0:1]
`)
	require.NotNil(t, d)
	require.Equal(t, []any{4, "x"}, []any{d.Op, d.Tensor})
	require.NotNil(t, d.Race)
	require.Equal(t, 2, d.Race.Kernel.Stmt)
	require.Zero(t, d.Race.Index)
	require.Equal(t, []int32{1, 0}, d.Race.Order, "that of its own statement")

	d = ran(t, &noting{}, "1", "1", "drop-war", "schedule descending\nbuffer x 4\nx[0:3] = x[1:4]\n")
	require.NotNil(t, d)
	require.NotNil(t, d.Race, "the first statement has one too")
	require.Equal(t, []int{1, 0, 0}, []int{d.Op, d.Race.Kernel.Stmt, d.Race.Index})

	// Row 1 of what is returned is wrong, whose kernel has no race: that of the temporary
	// is told from its first on, not from row 1 of the temporary.
	d = ran(t, &noting{}, "1", "1", "drop-war", `schedule descending
buffer x 1
buffer y 5
t = cat(y[0:5], y[0:2])
y[0:1] = x[0:1]
t[0:6] = t[1:7]
return t[0:6]
`)
	require.NotNil(t, d)
	require.Equal(t, []any{4, "return1", 1}, []any{d.Op, d.Tensor, d.Row})
	require.NotNil(t, d.Race)
	require.Equal(t, []int{2, 1}, []int{d.Race.Kernel.Stmt, d.Race.HazardRow})
	require.Equal(t, "return1", d.Race.Names[3])

	// A wrong cell without a race has none.
	d = ran(t, &noting{after: func(k *inplace.Kernel, mem [][]byte) {
		if k.Stmt == 1 {
			mem[0][0] ^= 1
		}
	}}, "1", "1", "fused", "schedule ascending\nbuffer x 3\nx[0:1] = x[1:2]\nx[1:2] = x[2:3]\n")
	require.NotNil(t, d)
	require.Equal(t, []int{2, 0}, []int{d.Op, d.Row})
	require.Nil(t, d.Race)
}

// What is returned transposed is compared, and drawn, row by row.
func TestTransposedOutputs(t *testing.T) {
	const lines = "schedule ascending\nbuffer x 3\nreturn transpose(x[0:3])\n"
	require.Nil(t, ran(t, &noting{}, "2", "2", "fused", lines))
	for lane := range 2 {
		for row := range 3 {
			for e := range 2 {
				d := ran(t, &noting{after: func(_ *inplace.Kernel, mem [][]byte) {
					mem[1][((lane*2+e)*3+row)*impls.F32.Size()] ^= 1
				}}, "2", "2", "fused", lines)
				require.NotNil(t, d)
				require.Equal(t, []any{"return1", lane, row, e, 1}, []any{d.Tensor, d.Lane, d.Row, d.Elem, d.Wrong})
				require.Len(t, d.Seen.Drawn, 1)
				for _, r := range d.Seen.Drawn[0].Rows {
					require.Equal(t, r.Row == row, r.Wrong)
				}
			}
		}
	}
}

// A row of a program is named by the row of the start that it is, or by the two that it
// is the sum of, in its own lane before another.
func TestRowsOfProgramsAreNamed(t *testing.T) {
	s := impls.Shape{Batch: 3, Heads: 1, Window: 1, Dim: 1, DType: impls.F32}
	values := func(lines ...string) *Values {
		p := inplace.Program{Buffers: []inplace.Buffer{{Name: "x", Rows: 2}, {Name: "y", Rows: 2}}}
		for _, line := range lines {
			stmt, err := inplace.ParseStmt(line)
			require.NoError(t, err)
			p.Stmts = append(p.Stmts, stmt)
		}
		code, err := New().Encoding(s)
		require.NoError(t, err)
		return NewValues(p, s, code, [][]byte{make([]byte, 2*s.Lanes()*s.RowBytes()), make([]byte, 2*s.Lanes()*s.RowBytes())})
	}
	sums, plain := values("x[0:1] += y[0:1]"), values("x[0:1] = y[0:1]")
	for lane, where := range []string{" in lane 0", "", " in lane 2"} {
		for _, v := range []*Values{sums, plain} {
			require.Equal(t, "what row 0 of x held"+where, v.describe(v.want(lane, oracle.Sum{{Buffer: 0, Row: 0}}), 1, 0))
			require.Equal(t, "what row 1 of y held"+where, v.describe(v.want(lane, oracle.Sum{{Buffer: 1, Row: 1}}), 1, 0))
		}
		for _, x := range []struct {
			sum  oracle.Sum
			want string
		}{
			{oracle.Sum{{Buffer: 0, Row: 0}, {Buffer: 1, Row: 1}}, "what row 0 of x plus row 1 of y held"},
			{oracle.Sum{{Buffer: 0, Row: 1}, {Buffer: 1, Row: 0}}, "what row 1 of x plus row 0 of y held"},
			{oracle.Sum{{Buffer: 1, Row: 1}, {Buffer: 1, Row: 1}}, "what row 1 of y plus row 1 of y held"},
		} {
			require.Equal(t, x.want+where, sums.describe(sums.want(lane, x.sum), 1, 0))
			require.Equal(t, "parts of several rows", plain.describe(sums.want(lane, x.sum), 1, 0))
		}
	}
	require.Equal(t, "the number 0", sums.describe(make([]byte, 4), 1, 0))
}

// The cells of the first wrong output are counted, where a statement leaves two wrong.
func TestWrongCellsOfOneOutput(t *testing.T) {
	d := ran(t, &noting{}, "1", "1", "late-return", "schedule ascending\nbuffer x 3\nreturn x[0:2]\nreturn x[1:2]\nx[0:3] = gather(x[0:3], [2, 2, 2])\n")
	require.NotNil(t, d)
	require.Equal(t, []any{"return1", 3, 2}, []any{d.Tensor, d.Op, d.Wrong})
}
