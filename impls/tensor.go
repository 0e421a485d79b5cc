package impls

import "fmt"

// DType is an element type, by its safetensors name. Caches move cells and
// never compute with them, so only the size of a type matters to this package. In-place
// programs add cells of I32 and F32.
type DType uint8

// The element types: four bytes, two bytes, one byte, four bytes.
const (
	F32 DType = iota
	BF16
	F16
	F8E4M3
	U8
	I32
)

var dtypes = [...]struct {
	name string
	size int
}{F32: {"F32", 4}, BF16: {"BF16", 2}, F16: {"F16", 2}, F8E4M3: {"F8_E4M3", 1}, U8: {"U8", 1}, I32: {"I32", 4}}

// Size is the number of bytes of one element.
func (d DType) Size() int { return dtypes[d].size }

func (d DType) String() string { return dtypes[d].name }

// ParseDType is the inverse of String.
func ParseDType(s string) (DType, error) {
	for d := range dtypes {
		if dtypes[d].name == s {
			return DType(d), nil
		}
	}
	return 0, fmt.Errorf("dtype %q: want F32, BF16, F16, F8_E4M3, U8 or I32", s)
}

// Layout is the order of the axes in memory.
type Layout uint8

// The layouts: [batch, heads, rows, dim], and [rows, batch, heads, dim].
const (
	HeadsFirst Layout = iota
	TokensFirst
)

func (l Layout) String() string {
	if l == TokensFirst {
		return "tokens-first"
	}
	return "heads-first"
}

// ParseLayout is the inverse of String.
func ParseLayout(s string) (Layout, error) {
	switch s {
	case "heads-first":
		return HeadsFirst, nil
	case "tokens-first":
		return TokensFirst, nil
	}
	return 0, fmt.Errorf("layout %q: want heads-first or tokens-first", s)
}

// Shape is the shape of one cache: Window rows of Dim elements in each of
// Batch×Heads lanes, once for keys and once for values.
type Shape struct {
	Batch, Heads, Window, Dim int
	DType                     DType
	Layout                    Layout
}

// Lanes is the number of (batch, head) pairs.
func (s Shape) Lanes() int { return s.Batch * s.Heads }

// RowBytes is the number of bytes of one row of one lane.
func (s Shape) RowBytes() int { return s.Dim * s.DType.Size() }

// MaxExtent bounds every extent of a shape, so that their product times the
// element size stays far inside an int64: 2^20 to the third power is 2^60.
const MaxExtent = 1 << 20

// Bytes is the size of rows rows of every lane, or -1 where it passes 2^50,
// more than any machine has.
func (s Shape) Bytes(rows int) int64 {
	n := int64(s.DType.Size())
	for _, f := range [...]int{s.Batch, s.Heads, s.Dim, rows} {
		if f > 0 && n > (1<<50)/int64(f) {
			return -1
		}
		n *= int64(f)
	}
	return n
}

// Check reports the first extent that is out of range.
func (s Shape) Check() error {
	for _, e := range [...]struct {
		name string
		n    int
	}{{"batch", s.Batch}, {"heads", s.Heads}, {"window", s.Window}, {"dim", s.Dim}} {
		if e.n < 1 || e.n > MaxExtent {
			return fmt.Errorf("shape: %s=%d is outside 1..%d", e.name, e.n, MaxExtent)
		}
	}
	return nil
}

// Tensor is a view of rows: the Dim elements of row r of lane l (lane =
// batch*Heads+head) start at byte l*LaneStride + r*RowStride of Data and are
// contiguous. It shares memory with whatever it was made from.
type Tensor struct {
	Data                    []byte
	Batch, Heads, Rows, Dim int
	DType                   DType
	LaneStride, RowStride   int // bytes
}

// NewTensor allocates rows zeroed rows in the layout of s.
func NewTensor(s Shape, rows int) Tensor {
	return TensorOver(s, rows, make([]byte, s.Lanes()*rows*s.RowBytes()))
}

// TensorOver views data, which holds rows rows in the layout of s, as a
// tensor. It panics if data has another length.
func TensorOver(s Shape, rows int, data []byte) Tensor {
	if len(data) != s.Lanes()*rows*s.RowBytes() {
		panic(fmt.Sprintf("impls: %d bytes for %d rows of %+v", len(data), rows, s))
	}
	t := Tensor{Data: data, Batch: s.Batch, Heads: s.Heads, Rows: rows, Dim: s.Dim, DType: s.DType}
	if s.Layout == TokensFirst {
		t.LaneStride, t.RowStride = s.RowBytes(), s.Lanes()*s.RowBytes()
	} else {
		t.LaneStride, t.RowStride = rows*s.RowBytes(), s.RowBytes()
	}
	return t
}

// Lanes is the number of (batch, head) pairs.
func (t *Tensor) Lanes() int { return t.Batch * t.Heads }

// RowBytes is the number of bytes of one row of one lane.
func (t *Tensor) RowBytes() int { return t.Dim * t.DType.Size() }

// Row returns the bytes of one row of one lane, in place.
func (t *Tensor) Row(lane, row int) []byte {
	at := lane*t.LaneStride + row*t.RowStride
	return t.Data[at : at+t.RowBytes()]
}

// Slice is the view of rows lo to hi-1.
func (t Tensor) Slice(lo, hi int) Tensor {
	if lo < 0 || hi < lo || hi > t.Rows {
		panic(fmt.Sprintf("impls: rows %d:%d of %d", lo, hi, t.Rows))
	}
	t.Rows = hi - lo
	if t.Rows > 0 {
		t.Data = t.Data[lo*t.RowStride:]
	}
	return t
}

// Clone is a copy with memory of its own, in the same strides order as s.
func (t Tensor) Clone(s Shape) Tensor {
	c := Shape{Batch: t.Batch, Heads: t.Heads, Window: 1, Dim: t.Dim, DType: t.DType, Layout: s.Layout}
	n := NewTensor(c, t.Rows)
	for l := range t.Lanes() {
		for r := range t.Rows {
			copy(n.Row(l, r), t.Row(l, r))
		}
	}
	return n
}
