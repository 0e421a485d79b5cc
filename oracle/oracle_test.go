package oracle

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

var dtypes = []string{"F32", "BF16", "F16", "F8_E4M3", "U8"}

// number decodes a cell of a float type, to see that it is normal and finite.
func number(dtype string, cell []byte) (value float64, subnormal bool) {
	switch dtype {
	case "F32":
		b := binary.LittleEndian.Uint32(cell)
		return float64(math.Float32frombits(b)), b>>23&0xff == 0
	case "BF16":
		b := uint32(binary.LittleEndian.Uint16(cell)) << 16
		return float64(math.Float32frombits(b)), b>>23&0xff == 0
	case "F16":
		b := binary.LittleEndian.Uint16(cell)
		exp := int(b >> 10 & 31)
		if exp == 31 {
			return math.Inf(1), false
		}
		return math.Ldexp(1+float64(b&1023)/1024, exp-15), exp == 0
	case "F8_E4M3":
		b := cell[0]
		if b&0x7f == 0x7f {
			return math.NaN(), false
		}
		return math.Ldexp(1+float64(b&7)/8, int(b>>3&15)-7), b>>3&15 == 0
	}
	return float64(cell[0]), false
}

func TestCellsAreNormalAndDifferFromTheirNeighbours(t *testing.T) {
	const batch, heads, dim, positions = 2, 3, 5, 400
	for _, dtype := range dtypes {
		e, err := NewEncoding(dtype, batch, heads, dim)
		require.NoError(t, err)
		size := e.size
		row := func(x Tensor, lane, position int) []byte {
			b := make([]byte, dim*size)
			e.PutRow(b, x, lane, position)
			return b
		}
		for _, x := range []Tensor{Keys, Values} {
			for lane := range batch * heads {
				for p := -1; p < positions; p++ {
					r := row(x, lane, p)
					for i := range dim {
						c := r[i*size : (i+1)*size]
						v, subnormal := number(dtype, c)
						require.False(t, subnormal || v == 0 || math.IsInf(v, 0) || math.IsNaN(v), "%s % x", dtype, c)
						where := fmt.Sprintf("%s %s lane %d position %d element %d", dtype, x, lane, p, i)
						if i > 0 {
							require.NotEqual(t, r[(i-1)*size:i*size], c, where)
						}
						at := func(y Tensor, l, q int) []byte { return row(y, l, q)[i*size : (i+1)*size] }
						require.NotEqual(t, at(x, lane, p+1), c, where)
						require.NotEqual(t, at(1-x, lane, p), c, where)
						if lane%heads+1 < heads {
							require.NotEqual(t, at(x, lane+1, p), c, where)
						}
						if lane+heads < batch*heads {
							require.NotEqual(t, at(x, lane+heads, p), c, where)
						}
					}
				}
			}
		}
	}
}

func TestNoPositionRepeatsWithinTheCodes(t *testing.T) {
	for dtype, codes := range map[string]int{"BF16": 65024, "F16": 61440, "F8_E4M3": 238, "U8": 254} {
		e, err := NewEncoding(dtype, 1, 1, 1)
		require.NoError(t, err)
		seen := map[string]bool{}
		for p := range codes {
			b := make([]byte, e.size)
			e.PutRow(b, Keys, 0, p)
			require.False(t, seen[string(b)], "%s position %d", dtype, p)
			seen[string(b)] = true
		}
		require.Len(t, seen, codes)
	}
}

func TestDecodeInvertsFourByteCells(t *testing.T) {
	e, err := NewEncoding("F32", 2, 3, 5)
	require.NoError(t, err)
	b := make([]byte, 20)
	for _, x := range []Tensor{Keys, Values} {
		for lane := range 6 {
			for _, p := range []int{-1, 0, 1, 4096, 1_000_000} {
				e.PutRow(b, x, lane, p)
				for i := range 5 {
					o, ok := e.decode(b[4*i : 4*i+4])
					require.True(t, ok)
					require.Equal(t, origin{x, lane / 3, lane % 3, p, i}, o)
				}
			}
		}
	}
	_, ok := e.decode(make([]byte, 4))
	require.False(t, ok, "zeros are no token")
	_, err = NewEncoding("F64", 1, 1, 1)
	require.Error(t, err)
}

// The window, written out by hand: W=3, tokens 1 to 5.
func TestHistory(t *testing.T) {
	h := NewHistory(1, 1, 3, 1)
	add := func(b byte) {
		h.AppendLane(Keys, 0, []byte{b})
		h.AppendLane(Values, 0, []byte{b + 100})
		h.Advance(0, h.Serial(1), 1, 1, 0)
	}
	for i, want := range [][]byte{{1}, {1, 2}, {1, 2, 3}, {2, 3, 4}, {3, 4, 5}} {
		add(byte(i + 1))
		require.Equal(t, want, h.Window(Keys, 0))
	}
	require.Equal(t, []byte{103, 104, 105}, h.Window(Values, 0))
	require.Equal(t, []int{0, 0, 0, 1, 2}, []int{h.Visible(0), h.Visible(1), h.Visible(2), h.Visible(3), h.Visible(4)})
	require.Equal(t, "token 3", h.Describe([]byte{4}, 1, Keys, 0))
	require.Equal(t, "token 3 of values", h.Describe([]byte{104}, 1, Keys, 0))
	require.Equal(t, "nothing (zeros)", h.Describe([]byte{0}, 1, Keys, 0))
	require.Equal(t, Unknown, h.Describe([]byte{77}, 1, Keys, 0))
	s := h.Snapshot()
	h.Crop(0, 1)
	require.Equal(t, []byte{1}, h.Window(Keys, 0))
	add(9)
	require.Equal(t, []byte{1, 9}, h.Window(Keys, 0))
	require.Equal(t, "token 5", h.Name(Keys, 0, 1), "no serial is used twice")
	require.Equal(t, []byte{3, 4, 5}, s.Window(Keys, 0), "a snapshot shares nothing")
	h.Restore(s)
	require.Equal(t, []byte{3, 4, 5}, h.Window(Keys, 0))
	h.Reset()
	require.Zero(t, h.Len(0))
}

// sequences is a history of two entries of one lane each, whose rows are those of
// an encoding.
type sequences struct {
	*History
	code *Encoding
}

func newSequences(t *testing.T, dtype string, batch int) *sequences {
	t.Helper()
	e, err := NewEncoding(dtype, 4, 1, 3)
	require.NoError(t, err)
	h := &sequences{NewHistory(batch, 1, 4, 3*e.size), &e}
	h.Encode(&e, 0)
	return h
}

func (h *sequences) row(t Tensor, entry, serial int) []byte {
	b := make([]byte, h.rowBytes)
	h.code.PutRow(b, t, entry, serial)
	return b
}

// hand appends the last of q tokens to each entry, as many as lens says.
func (h *sequences) hand(q int, lens ...int) (serial int) {
	serial = h.Serial(q)
	for b, n := range lens {
		for i := q - n; i < q; i++ {
			h.AppendLane(Keys, b, h.row(Keys, b, serial+i))
			h.AppendLane(Values, b, h.row(Values, b, serial+i))
		}
	}
	return serial
}

func (h *sequences) add(q int, lens ...int) {
	serial := h.hand(q, lens...)
	for b, n := range lens {
		h.Advance(b, serial, q, n, 0)
	}
}

func (h *sequences) names(entry, serial, lane int) string {
	return h.Describe(h.row(Keys, entry, serial), h.code.size, Keys, lane)
}

// A token that is gone is named by what became of it.
func TestTokensThatAreGoneAreNamed(t *testing.T) {
	for _, dtype := range dtypes {
		h := newSequences(t, dtype, 2)
		h.At(1)
		h.add(4, 4, 4) // tokens 0 to 3
		h.At(2)
		h.Crop(0, 3)
		h.Crop(1, 4)
		h.At(3)
		h.add(2, 2, 1) // tokens 4 and 5
		require.Equal(t, "token 3, which the crop at op 2 cut off", h.names(0, 3, 0), dtype)
		require.Equal(t, "token 3", h.names(1, 3, 1), "the other entry kept it")
		require.Equal(t, "token 5", h.Name(Keys, 1, 4), "its tokens are the last of the chunk")
		h.At(4)
		h.hand(3, 3, 3)
		h.Refuse(6, 3) // tokens 6 to 8
		require.Equal(t, 5, h.Len(0))
		require.Equal(t, "token 7 of the chunk that was refused at op 4", h.names(0, 7, 0), dtype)
		h.At(5)
		h.Reset()
		h.At(6)
		h.add(1, 1, 1)
		require.Equal(t, "token 9", h.Name(Keys, 0, 0))
		require.Equal(t, "token 4 of before the reset at op 5", h.names(0, 4, 0), dtype)
	}
}

// Select moves tokens, which keep their name; a row of the entry's own that should
// have been moved is known.
func TestSelectedTokensAreNamed(t *testing.T) {
	h := newSequences(t, "F32", 2)
	h.At(1)
	h.add(2, 2, 1)
	h.At(2)
	h.Select([]int{1, 1, 0})
	require.Equal(t, []int{1, 1, 2}, []int{h.Len(0), h.Len(1), h.Len(2)})
	require.Equal(t, "token 1 of entry 1", h.Name(Keys, 0, 0))
	require.Equal(t, "token 1", h.Name(Keys, 1, 0))
	require.Equal(t, "token 1 of entry 0 of before the select at op 2", h.names(0, 1, 0))
	require.Equal(t, "token 0 of lane 2", h.names(0, 0, 1))
	s := h.Snapshot()
	h.At(3)
	h.Select([]int{0})
	h.At(4)
	h.add(1, 1)
	require.Equal(t, "token 2", h.Name(Keys, 0, 1))
	h.At(5)
	h.Restore(s)
	require.Equal(t, 3, h.Batch())
	require.Equal(t, "token 2 of before the restore at op 5", h.names(0, 2, 0))
	h.Reset()
	require.Equal(t, 2, h.Batch(), "that of an empty cache")
}

// A row of an entry that is no longer there is named by the select that left it out,
// also where its number would be that of a lane of today.
func TestTokensOfEntriesLeftOutAreNamed(t *testing.T) {
	h := newSequences(t, "F32", 3)
	h.At(1)
	h.add(2, 2, 2, 1)
	h.At(2)
	h.Select([]int{0, 0})
	require.Equal(t, "token 1 of lane 2 of before the select at op 2", h.names(2, 1, 0))
	require.Equal(t, "token 0 of entry 1 of before the select at op 2", h.names(1, 0, 1))
	require.Equal(t, "token 0", h.names(0, 0, 0))
	require.Equal(t, Unknown, h.names(2, 0, 0), "entry 2 never had it")
	h.At(3)
	h.Select([]int{1})
	h.At(4)
	h.hand(1, 1)
	h.Refuse(2, 1)
	require.Equal(t, "token 1 of lane 2 of before the select at op 2", h.names(2, 1, 0))
	require.Equal(t, "token 2 of the chunk that was refused at op 4", h.names(0, 2, 0))
}

// Small cells repeat after as many serials as they have codes, and then a row may
// be one of several.
func TestRowsThatRepeatHaveSeveralNames(t *testing.T) {
	h := newSequences(t, "U8", 1)
	h.add(258, 258)
	require.Equal(t, "token 3 or 257", h.names(0, 3, 0))
	require.Equal(t, "token 200", h.names(0, 200, 0))
	require.Equal(t, "token 257", h.Name(Keys, 0, 257), "what is expected is known")
	require.Equal(t, "padding", Token{Serial: Padding}.String())
}

func TestTornRowsAreNamed(t *testing.T) {
	h := NewHistory(1, 2, 4, 2)
	h.AppendLane(Keys, 0, []byte{1, 2, 3, 4})
	h.AppendLane(Keys, 1, []byte{5, 6, 7, 8})
	h.AppendLane(Values, 0, bytes.Repeat([]byte{99}, 4))
	h.AppendLane(Values, 1, bytes.Repeat([]byte{98}, 4))
	h.Advance(0, h.Serial(2), 2, 2, 0)
	require.Equal(t, "parts of token 0 and of token 1", h.Describe([]byte{1, 4}, 1, Keys, 0))
	require.Equal(t, "token 1 of lane 1", h.Describe([]byte{7, 8}, 1, Keys, 0))
	require.Equal(t, "parts of token 0 and of zeros", h.Describe([]byte{1, 0}, 1, Keys, 0), "the rest was lost")
}

func labels(rows ...int) []Label {
	l := make([]Label, len(rows))
	for i, r := range rows {
		l[i] = Label{Row: r}
	}
	return l
}

// Known results: the examples of PyTorch's documentation of roll, and the
// meaning of the others.
func TestValueSemantics(t *testing.T) {
	a := labels(1, 2, 3, 4, 5, 6, 7, 8)
	require.Equal(t, labels(8, 1, 2, 3, 4, 5, 6, 7), Roll(a, 1))
	require.Equal(t, labels(2, 3, 4, 5, 6, 7, 8, 1), Roll(a, -1))
	require.Equal(t, labels(3, 4, 5, 6, 7, 8, 1, 2), Roll(a, 14))
	require.Equal(t, labels(4, 1), Gather(a, []int{3, 0}))
	require.Equal(t, labels(1, 2, 1), Cat(a[:2], a[:1]))
	require.Equal(t, labels(9, 2, 8), IndexCopy(labels(1, 2, 3), []int{0, 2}, labels(9, 8)))
	require.Equal(t, labels(3, 2, 1), Flip(labels(1, 2, 3)))
	sum := Add([]Sum{labels(1), labels(2)}, []Sum{labels(3), labels(1, 2)})
	require.Equal(t, []Sum{labels(1, 3), labels(2, 1, 2)}, sum)
}

// Eight cells of a program that adds give one sum in any order, exactly.
func TestExactSums(t *testing.T) {
	for _, float := range []bool{false, true} {
		sum, back := make([]byte, 16), make([]byte, 16)
		for p := range maxTestSummands {
			row := make([]byte, 16)
			PutExact(float, row, 1, p)
			require.NotContains(t, [][]byte{row[4:8], row[8:12]}, row[:4], "neighbours differ")
			AddCells(float, sum, row)
			PutExact(float, row, 1, maxTestSummands-1-p)
			AddCells(float, back, row)
		}
		require.Equal(t, sum, back)
	}
	ones := []byte{255, 255, 255, 255}
	AddCells(false, ones, []byte{2, 0, 0, 0})
	require.Equal(t, []byte{1, 0, 0, 0}, ones, "I32 wraps")
}

const maxTestSummands = 8

func ExampleHistory() {
	h := NewHistory(1, 1, 2, 1) // one lane, a window of two, rows of one byte
	for token := range 3 {
		h.AppendLane(Keys, 0, []byte{byte(10 + token)})
		h.AppendLane(Values, 0, []byte{byte(20 + token)})
		h.Advance(0, h.Serial(1), 1, 1, 0)
	}
	fmt.Println(h.Window(Keys, 0), h.Describe([]byte{12}, 1, Keys, 0))
	// Output: [11 12] token 2
}
