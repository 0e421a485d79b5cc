package oracle

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"
)

// What each contract refuses, at its bounds: in a window of 4.
func TestContracts(t *testing.T) {
	for _, x := range []struct {
		n, q    int
		refuses bool
	}{
		{0, 0, true},
		{3, 0, true},
		{0, 1, false},
		{3, 1, false},
		{4, 1, false},
		{9, 1, false},
		{0, 4, false},
		{1, 3, false},
		{2, 2, false},
		{1, 4, true},
		{2, 3, true},
		{3, 2, true},
		{4, 2, true},
		{4, 4, true},
		{0, 5, false},
		{3, 5, false},
		{4, 5, false},
	} {
		require.Equal(t, x.refuses, Single.Refuses(x.n, x.q, 4), "%+v", x)
		require.False(t, Chunks.Refuses(x.n, x.q, 4), "%+v", x)
	}
}

func TestSeesAndCounts(t *testing.T) {
	for _, x := range [][3]int{{0, 3, 0}, {2, 3, 0}, {3, 3, 1}, {9, 3, 7}, {9, 1, 9}, {9, 0, 0}} {
		require.Equal(t, x[2], Sees(x[0], x[1]), "%v", x)
	}
	require.Equal(t, []int{1, 0, 2}, CountIdentities([]int{2, 0, 2}, 3))
}

// The cells of tokens are these, for good: what was found names them.
func TestCellsStay(t *testing.T) {
	for dtype, want := range map[string]uint32{"F32": 0xc13f4d00, "BF16": 0x79595b55, "F16": 0xb5e7178e, "F8_E4M3": 0x1c63796f, "U8": 0x3d4b08b9} {
		e, err := NewEncoding(dtype, 3, 2, 5)
		require.NoError(t, err)
		row, sum := make([]byte, 5*e.size), crc32.NewIEEE()
		for _, tensor := range []Tensor{Keys, Values} {
			for lane := range 6 {
				for _, serial := range []int{Padding, 0, 1, 2, 255, 4096, 1 << 20} {
					e.PutRow(row, tensor, lane, serial)
					sum.Write(row)
				}
			}
		}
		require.Equal(t, want, sum.Sum32(), dtype)
	}
	sum := crc32.NewIEEE()
	for _, float := range []bool{true, false} {
		row := make([]byte, 23) // the last three bytes are no cell
		for lane := range 4 {
			for position := range 5 {
				PutExact(float, row, lane, position)
				require.Equal(t, []byte{0, 0, 0}, row[20:])
				sum.Write(row)
			}
		}
	}
	require.Equal(t, uint32(0x4763279d), sum.Sum32())
}

// Devices that compute cells in closed form get the cells that PutRow writes.
func TestClosedForm(t *testing.T) {
	const batch, heads, dim = 2, 3, 5
	for _, dtype := range dtypes {
		e, err := NewEncoding(dtype, batch, heads, dim)
		require.NoError(t, err)
		codes, stride, half, low, high, offsets := e.ClosedForm()
		row := make([]byte, dim*e.size)
		for _, tensor := range []Tensor{Keys, Values} {
			for lane := range batch * heads {
				for _, serial := range []int{Padding, 0, 1, 300, 70_000} {
					e.PutRow(row, tensor, lane, serial)
					for i := range dim {
						if e.size == 4 {
							n := uint32(((serial+1)*batch*heads+lane)*dim + i)
							require.Equal(t, uint32(tensor)<<31|low+n, binary.LittleEndian.Uint32(row[4*i:]))
							require.Equal(t, []uint32{exactCodes, exactCodes}, []uint32{codes, half})
							continue
						}
						n := (offsets[(int(tensor)*batch*heads+lane)*dim+i] + uint32(serial+1)*stride) % codes
						want := low + n
						if n >= half {
							want = high + n - half
						}
						got := uint32(row[i])
						if e.size == 2 {
							got = uint32(binary.LittleEndian.Uint16(row[2*i:]))
						}
						require.Equal(t, want, got, "%s %s lane %d serial %d element %d", dtype, tensor, lane, serial, i)
					}
				}
			}
		}
	}
}

// A history of two heads, entry by entry: what is cropped, selected, refused and read is
// of that entry's lanes alone.
func TestHistoriesOfHeads(t *testing.T) {
	const heads = 2
	code, err := NewEncoding("F32", 6, heads, 1)
	require.NoError(t, err)
	h := NewHistory(3, heads, 2, 4)
	h.Encode(&code, 0)
	row := func(tensor Tensor, lane, serial int) []byte {
		b := make([]byte, 4)
		code.PutRow(b, tensor, lane, serial)
		return b
	}
	bring := func(q int) int {
		serial := h.Serial(q)
		for lane := range h.Batch() * heads {
			for i := range q {
				h.AppendLane(Keys, lane, row(Keys, lane, serial+i))
				h.AppendLane(Values, lane, row(Values, lane, serial+i))
			}
		}
		return serial
	}
	// holds says which serials the lanes of an entry hold, in rows of lane from.
	holds := func(entry, from int, serials ...int) {
		t.Helper()
		require.Equal(t, len(serials), h.Len(entry))
		for head := range heads {
			for _, tensor := range []Tensor{Keys, Values} {
				var want []byte
				for _, s := range serials {
					want = append(want, row(tensor, from*heads+head, s)...)
				}
				require.Equal(t, len(want), len(h.rows[tensor][entry*heads+head]))
				require.Equal(t, want, append([]byte(nil), h.Rows(tensor, entry*heads+head, 0, len(serials))...))
			}
		}
	}
	serial := bring(3)
	for b := range 3 {
		h.Advance(b, serial, 3, 3, 0)
	}
	h.At(2)
	h.Crop(1, 1)
	holds(0, 0, 0, 1, 2)
	holds(1, 1, 0)
	holds(2, 2, 0, 1, 2)
	serial = bring(2)
	h.Refuse(serial, 2)
	holds(0, 0, 0, 1, 2)
	holds(1, 1, 0)
	holds(2, 2, 0, 1, 2)
	h.At(3)
	h.Select([]int{2, 1, 2, 0})
	holds(0, 2, 0, 1, 2)
	holds(1, 1, 0)
	holds(2, 2, 0, 1, 2)
	holds(3, 0, 0, 1, 2)
	say := func(want string, r []byte, lane int) {
		t.Helper()
		require.Equal(t, want, h.Describe(r, 4, Keys, lane))
	}
	say("token 1 of entry 2", row(Keys, 4, 1), 0)
	say("token 1 of lane 1", row(Keys, 5, 1), 0)
	say("token 1 of entry 2 of values", row(Values, 4, 1), 0)
	say("token 1", row(Keys, 5, 1), 5)
	say("token 1 of entry 0 of before the select at op 3", row(Keys, 0, 1), 0)
	say("token 2, which the crop at op 2 cut off", row(Keys, 2, 2), 2)
	say("token 1 of lane 2, which the crop at op 2 cut off", row(Keys, 2, 1), 0)
	say("token 4 of the chunk that was refused at op 2", row(Keys, 1, 4), 1)
	say("token 3 of the chunk that was refused at op 2", row(Keys, 4, 3), 4)
	say("token 0", row(Keys, 2, 0), 2)
	say(Unknown, row(Keys, 2, 5), 2)
}

// Padding is named in the lane whose it is, the other tensor's too.
func TestPaddingIsNamed(t *testing.T) {
	const heads = 2
	code, err := NewEncoding("F32", 4, heads, 1)
	require.NoError(t, err)
	h := NewHistory(2, heads, 4, 4)
	h.Encode(&code, 1) // entry 0 is entry 1 of the encoding
	serial := h.Serial(1)
	row := func(tensor Tensor, lane, serial int) []byte {
		b := make([]byte, 4)
		code.PutRow(b, tensor, heads+lane, serial)
		return b
	}
	for lane := range 4 {
		h.AppendLane(Keys, lane, row(Keys, lane, serial))
		h.AppendLane(Values, lane, row(Values, lane, serial))
	}
	h.Advance(0, serial, 1, 1, 0)
	h.Advance(1, serial, 1, 1, 0)
	for lane := range 4 {
		for of := range 4 {
			for _, tensor := range []Tensor{Keys, Values} {
				want := "padding"
				if of != lane {
					want += " of lane " + string(rune('0'+of))
				}
				if tensor != Keys {
					want += " of values"
				}
				require.Equal(t, want, h.Describe(row(tensor, of, Padding), 4, Keys, lane), "lane %d in lane %d", of, lane)
			}
		}
	}
	require.Equal(t, "padding of keys", h.Describe(row(Keys, 3, Padding), 4, Values, 3))
}

// The first token that is gone is found, and a chunk's tokens in each of its entries.
func TestAllThatIsGoneIsFound(t *testing.T) {
	h := newSequences(t, "F32", 3)
	h.Encode(h.code, 1)
	h.code.lanes = 4
	h.At(1)
	h.hand(2, 2, 2, 2)
	h.Refuse(0, 2)
	for entry := range 3 {
		for serial := range 2 {
			want := "token " + string(rune('0'+serial)) + " of the chunk that was refused at op 1"
			require.Equal(t, want, h.names(1+entry, serial, entry))
		}
	}
	require.Equal(t, Unknown, h.names(0, 0, 0), "an entry before the first")
}

// Of an entry that a select left out, each head's rows are of its own lane.
func TestHeadsOfEntriesLeftOut(t *testing.T) {
	const heads = 3
	code, err := NewEncoding("F32", 3, heads, 1)
	require.NoError(t, err)
	h := NewHistory(3, heads, 2, 4)
	h.Encode(&code, 0)
	serial := h.Serial(1)
	rows := make([][]byte, 3*heads)
	for lane := range rows {
		rows[lane] = make([]byte, 4)
		code.PutRow(rows[lane], Keys, lane, serial)
		h.AppendLane(Keys, lane, rows[lane])
		h.AppendLane(Values, lane, rows[lane])
	}
	for b := range 3 {
		h.Advance(b, serial, 1, 1, 0)
	}
	h.At(2)
	h.Select([]int{0})
	for lane := heads; lane < 3*heads; lane++ {
		require.Equal(t, fmt.Sprintf("token 0 of lane %d of before the select at op 2", lane), h.Describe(rows[lane], 4, Keys, 0))
	}
}

// The row of a token in each lane is what AppendLane brings lane by lane.
func TestAppendToken(t *testing.T) {
	one, all := NewHistory(2, 2, 3, 2), NewHistory(2, 2, 3, 2)
	rows := []byte{1, 2, 3, 4, 5, 6, 7, 8}
	for i := range 3 {
		for tensor := Keys; tensor <= Values; tensor++ {
			for k := range rows {
				rows[k] += byte(10*i + int(tensor))
			}
			for lane := range 4 {
				one.AppendLane(tensor, lane, rows[2*lane:2*lane+2])
			}
			all.AppendToken(tensor, rows)
		}
		serial := one.Serial(1)
		require.Equal(t, serial, all.Serial(1))
		for b := range 2 {
			one.Advance(b, serial, 1, 1, 0)
			all.Advance(b, serial, 1, 1, 0)
		}
	}
	require.Equal(t, one, all)
	require.Equal(t, 3, all.Len(1))
}
