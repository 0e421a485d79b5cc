package worker

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/slidefuzz/slidefuzz/impls"
)

// pack is a tensor in the protocol's order, [batch, heads, rows, dim].
func pack(name string, x *impls.Tensor) Tensor {
	t := Tensor{Name: name, DType: x.DType.String(), Shape: []int{x.Batch, x.Heads, x.Rows, x.Dim}}
	t.Data = make([]byte, 0, x.Lanes()*x.Rows*x.RowBytes())
	for lane := range x.Lanes() {
		for row := range x.Rows {
			t.Data = append(t.Data, x.Row(lane, row)...)
		}
	}
	return t
}

func unpack(t *Tensor) (x impls.Tensor, err error) {
	if t == nil {
		return x, errors.New("it is missing")
	}
	if len(t.Shape) != 4 {
		return x, fmt.Errorf("shape %v: want [batch, heads, rows, dim]", t.Shape)
	}
	d, err := impls.ParseDType(t.DType)
	if err != nil {
		return x, err
	}
	s := impls.Shape{Batch: t.Shape[0], Heads: t.Shape[1], Window: 1, Dim: t.Shape[3], DType: d}
	return impls.TensorOver(s, t.Shape[2], t.Data), nil
}

// unpackPositions is one list of positions, or one for each batch entry.
func unpackPositions(t *Tensor, batch int) ([][]int, error) {
	if t.DType != "I64" {
		return nil, fmt.Errorf("dtype %s: want I64", t.DType)
	}
	lists, rows := 1, 0
	switch {
	case len(t.Shape) == 1:
		rows = t.Shape[0]
	case len(t.Shape) == 2 && t.Shape[0] == batch:
		lists, rows = batch, t.Shape[1]
	default:
		return nil, fmt.Errorf("shape %v: want [rows] or [%d, rows]", t.Shape, batch)
	}
	all := make([][]int, lists)
	for i := range all {
		all[i] = make([]int, rows)
		for k := range all[i] {
			p := int64(binary.LittleEndian.Uint64(t.Data[8*(i*rows+k):]))
			if p < -1 {
				return nil, fmt.Errorf("position %d of row %d: want that of a token, from 0, or -1 for an empty row", p, k)
			}
			// One past every token is for the judge, however large.
			all[i][k] = int(min(p, math.MaxInt))
		}
	}
	return all, nil
}

func packPositions(lists [][]int) Tensor {
	t := Tensor{Name: "positions", DType: "I64", Shape: []int{len(lists[0])}}
	if len(lists) > 1 {
		t.Shape = []int{len(lists), len(lists[0])}
	}
	for _, list := range lists {
		for _, p := range list {
			t.Data = binary.LittleEndian.AppendUint64(t.Data, uint64(int64(p)))
		}
	}
	return t
}

// unpackVisible is which of the rows that came back each query of a chunk attends
// to, once or for each batch entry.
func unpackVisible(t *Tensor, batch, queries, rows int) ([][][]bool, error) {
	if t.DType != "BOOL" {
		return nil, fmt.Errorf("dtype %s: want BOOL", t.DType)
	}
	if len(t.Shape) != 3 || t.Shape[0] != 1 && t.Shape[0] != batch || t.Shape[1] != queries || t.Shape[2] != rows {
		want := "1"
		if batch > 1 {
			want = fmt.Sprintf("%d or 1", batch)
		}
		return nil, fmt.Errorf("shape %v: want [%s, %d, %d], as the batch, the chunk's queries and the rows of the reply", t.Shape, want, queries, rows)
	}
	all := make([][][]bool, t.Shape[0])
	data := t.Data
	for b := range all {
		all[b] = make([][]bool, queries)
		for i := range all[b] {
			all[b][i] = make([]bool, rows)
			for r, sees := range data[:rows] {
				if sees > 1 {
					return nil, fmt.Errorf("%d for row %d of query %d: want 0 or 1", sees, r, i)
				}
				all[b][i][r] = sees == 1
			}
			data = data[rows:]
		}
	}
	return all, nil
}

// packVisible is the inverse. The lists of a chunk of no tokens do not say how
// many rows came back.
func packVisible(lists [][][]bool, rows int) Tensor {
	t := Tensor{Name: "visible", DType: "BOOL", Shape: []int{len(lists), 0, rows}}
	if len(lists) > 0 && len(lists[0]) > 0 {
		t.Shape[1], t.Shape[2] = len(lists[0]), len(lists[0][0])
	}
	for _, queries := range lists {
		for _, query := range queries {
			for _, sees := range query {
				b := byte(0)
				if sees {
					b = 1
				}
				t.Data = append(t.Data, b)
			}
		}
	}
	return t
}
