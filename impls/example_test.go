package impls_test

import (
	"errors"
	"fmt"

	"github.com/slidefuzz/slidefuzz/impls"
)

func ExampleShape() {
	s := impls.Shape{Batch: 2, Heads: 4, Window: 4096, Dim: 256, DType: impls.BF16}
	fmt.Println(s.Lanes(), "lanes,", s.RowBytes(), "bytes a row,", s.Bytes(s.Window)>>20, "MiB of keys")
	s.Window = 0
	fmt.Println(s.Check())
	// Output:
	// 8 lanes, 512 bytes a row, 16 MiB of keys
	// shape: window=0 is outside 1..1048576
}

// A tensor is a view: a slice shares its rows with what it was cut from, a clone
// does not.
func ExampleTensor() {
	s := impls.Shape{Batch: 1, Heads: 1, Window: 3, Dim: 2, DType: impls.U8}
	t := impls.TensorOver(s, 3, []byte{1, 2, 3, 4, 5, 6})
	last, own := t.Slice(1, 3), t.Clone(s)
	t.Row(0, 1)[0] = 9
	fmt.Println(last.Rows, last.Row(0, 0), own.Row(0, 1))
	// Output: 2 [9 4] [3 4]
}

// The layout decides where a row lies; Row finds it in either.
func ExampleTensor_Row() {
	data := []byte{1, 2, 3, 4}
	for _, layout := range []impls.Layout{impls.HeadsFirst, impls.TokensFirst} {
		s := impls.Shape{Batch: 1, Heads: 2, Window: 2, Dim: 1, DType: impls.U8, Layout: layout}
		t := impls.TensorOver(s, 2, data)
		fmt.Println(layout, "lane 0:", t.Row(0, 0), t.Row(0, 1), "lane 1:", t.Row(1, 0), t.Row(1, 1))
	}
	// Output:
	// heads-first lane 0: [1] [2] lane 1: [3] [4]
	// tokens-first lane 0: [1] [3] lane 1: [2] [4]
}

func ExampleParseDType() {
	d, err := impls.ParseDType("F8_E4M3")
	fmt.Println(d, d.Size(), err)
	_, err = impls.ParseDType("F64")
	fmt.Println(err)
	// Output:
	// F8_E4M3 1 <nil>
	// dtype "F64": want F32, BF16, F16, F8_E4M3, U8 or I32
}

func ExampleRefusedError() {
	var err error = &impls.RefusedError{Op: "update", Reason: "2 rows after 3 in a window of 4"}
	fmt.Println(err)
	fmt.Println(errors.Is(err, impls.ErrRefused))
	// Output:
	// update refused: 2 rows after 3 in a window of 4
	// true
}
