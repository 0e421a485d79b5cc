package judge

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// A wrong cell of a program that adds is one cell of the start, or two added, or a number.
func TestWrongSums(t *testing.T) {
	for _, dtype := range []impls.DType{impls.I32, impls.F32} {
		t.Run(dtype.String(), func(t *testing.T) {
			add := inplace.AddTo("x", 0, 1, inplace.View("x", 1, 2))
			p := inplace.Program{Buffers: []inplace.Buffer{{Name: "x", Rows: 3}}, Stmts: []inplace.Stmt{add}}
			s := impls.Shape{Batch: 1, Heads: 1, Window: 1, Dim: 2, DType: dtype}
			start := make([]byte, 3*2*4)
			v := NewValues(p, s, nil, [][]byte{start})
			v.Statement(add)
			row := func(i int) []byte { return start[8*i : 8*i+8] }
			sum := func(rows ...int) []byte {
				all := make([]byte, 8)
				for _, i := range rows {
					oracle.AddCells(dtype == impls.F32, all, row(i))
				}
				return all
			}
			number := binary.LittleEndian.Uint32(sum(0, 1, 2))
			text := fmt.Sprint("the number ", int32(number))
			if dtype == impls.F32 {
				text = fmt.Sprintf("the number %.0f", math.Float32frombits(number))
			}
			mixed := append(append([]byte{}, row(2)[:4]...), sum(0, 1, 2)[4:]...)
			for _, x := range []struct {
				got  []byte
				want string
			}{
				{row(0), "what row 0 of x held"},
				{sum(2, 2), "what row 2 of x plus row 2 of x held"},
				{mixed, "what row 2 of x held"}, // the wrong cell, if not the one beside it
				{sum(0, 1, 2), text},
			} {
				d := v.Compare([][]byte{append(append([]byte{}, x.got...), start[8:]...)})
				require.NotNil(t, d)
				require.Equal(t, x.want, d.Got)
				require.Equal(t, "what row 0 of x plus row 1 of x held", d.Want)
			}
			require.Nil(t, v.Compare([][]byte{append(sum(0, 1), start[8:]...)}))
		})
	}
}
