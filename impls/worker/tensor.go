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
