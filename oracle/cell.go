package oracle

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
)

// Tensor is one of the two tensors of a cache.
type Tensor uint8

// The tensors.
const (
	Keys Tensor = iota
	Values
)

func (t Tensor) String() string {
	if t == Values {
		return "values"
	}
	return "keys"
}

// origin says where a cell comes from: the batch entry that its token was appended
// to, and its serial, or Padding.
type origin struct {
	Tensor                    Tensor
	Batch, Head, Serial, Elem int
}

// Encoding gives every cell a value that names its origin. Values are normal
// and finite, never zero: a token is never an empty row.
//
// A four-byte cell holds its origin exactly while serials × lanes × dim stays below
// 254·2^23, and decodes. Smaller cells hold a hash of it: one lane's element takes
// a different value at each of as many serials in a row as the type has codes, and
// at one serial neighbours in element, head, batch and tensor differ.
type Encoding struct {
	size, lanes, heads, dim int
	codes                   uint32   // usable codes of the type
	code                    []uint16 // code number → bits, for one and two bytes
	offsets                 []uint32 // (tensor, lane, element) → code number at serial 0
}

// exactCodes is the number of normal finite F32 bit patterns of one sign:
// exponents 1 to 254, 23 bits of mantissa.
const exactCodes = 254 << 23

// serialStep is how far the code moves from one serial to the next. It
// has no factor in common with any number of codes (their primes are 2, 3, 5,
// 7, 17 and 127), so that no code repeats before all were used.
const serialStep = 101

// NewEncoding prepares the codes of an element type, by its safetensors name,
// for lanes of batch×heads and rows of dim elements.
func NewEncoding(dtype string, batch, heads, dim int) (Encoding, error) {
	e := Encoding{lanes: batch * heads, heads: heads, dim: dim}
	switch dtype {
	case "F32", "I32": // of I32 the same bits
		e.size, e.codes = 4, exactCodes
		return e, nil
	case "BF16":
		e.size, e.code = 2, bf16Codes()
	case "F16":
		e.size, e.code = 2, f16Codes()
	case "F8_E4M3":
		e.size, e.code = 1, f8Codes()
	case "U8":
		e.size, e.code = 1, u8Codes()
	default:
		return e, fmt.Errorf("oracle: no encoding for dtype %q", dtype)
	}
	e.codes = uint32(len(e.code))
	e.offsets = make([]uint32, 2*e.lanes*dim)
	for i := range e.offsets {
		elem, lane, tensor := i%dim, i/dim%e.lanes, i/dim/e.lanes
		// The number of codes is even, so the parity survives the modulus and
		// neighbours, which differ in one of the four, get different codes.
		parity := uint32(tensor+lane/heads+lane%heads+elem) & 1
		e.offsets[i] = 2*uint32(mix(uint64(i))%uint64(e.codes/2)) + parity
	}
	return e, nil
}

// The codes of a type are made once: of two bytes they take 128 KiB.
var (
	bf16Codes = sync.OnceValue(func() []uint16 { return usable(16, 7, 254) })
	f16Codes  = sync.OnceValue(func() []uint16 { return usable(16, 10, 30) })
	f8Codes   = sync.OnceValue(func() []uint16 {
		// The largest exponent holds numbers too; all ones is NaN.
		all := usable(8, 3, 15)
		return slices.Delete(all[:239], 119, 120)
	})
	u8Codes = sync.OnceValue(func() (all []uint16) {
		// 254 of the 255 bytes that are not zero: an even number, see NewEncoding.
		for c := range 254 {
			all = append(all, uint16(c+1))
		}
		return all
	})
)

// usable lists the bit patterns of a float type that are normal and finite:
// both signs, exponents 1 to exponents, every mantissa.
func usable(bits, mantissa, exponents int) []uint16 {
	var all []uint16
	for sign := range 2 {
		for c := 1 << mantissa; c < (exponents+1)<<mantissa; c++ {
			all = append(all, uint16(sign<<(bits-1)|c))
		}
	}
	return all
}

// mix is the finaliser of splitmix64: near numbers give unrelated ones.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// ClosedForm is the encoding in closed form, for devices that compute cells
// themselves: codes and the step from one serial to the next, where the
// codes of the other sign begin and the bits of the first code of either sign,
// and the codes at serial 0 by tensor, lane and element.
func (e *Encoding) ClosedForm() (codes, stride, half, low, high uint32, offsets []uint32) {
	if e.size == 4 {
		return exactCodes, 0, exactCodes, 1 << 23, 0, nil
	}
	half = e.codes
	for i, c := range e.code {
		if i > 0 && c != e.code[i-1]+1 {
			half = uint32(i)
		}
	}
	if half < e.codes {
		high = uint32(e.code[half])
	}
	return e.codes, serialStep, half, uint32(e.code[0]), high, e.offsets
}

// PutRow writes the dim cells of one token in one lane (batch*heads+head),
// little-endian.
func (e *Encoding) PutRow(dst []byte, t Tensor, lane, serial int) {
	p := uint64(serial + 1)
	if e.size == 4 {
		n := uint32((p*uint64(e.lanes) + uint64(lane)) * uint64(e.dim) % exactCodes)
		sign := uint32(t) << 31
		for i := 0; i < e.dim*4; i += 4 {
			binary.LittleEndian.PutUint32(dst[i:], sign|n+1<<23)
			if n++; n == exactCodes {
				n = 0
			}
		}
		return
	}
	at := (int(t)*e.lanes + lane) * e.dim
	step := uint32(p * serialStep % uint64(e.codes))
	offsets := e.offsets[at : at+e.dim]
	if e.size == 1 {
		dst = dst[:len(offsets)]
		for i, n := range offsets {
			dst[i] = byte(e.code[e.shifted(n, step)])
		}
		return
	}
	for i, n := range offsets {
		binary.LittleEndian.PutUint16(dst[2*i:], e.code[e.shifted(n, step)])
	}
}

// shifted is the number of the code that lies step after n, modulo their number.
func (e *Encoding) shifted(n, step uint32) uint32 {
	if n += step; n >= e.codes {
		n -= e.codes
	}
	return n
}

// decode says where a cell comes from. It is exact for four-byte cells of the
// first 254·2^23/(lanes·dim) serials; ok is false for smaller cells, and for
// bits that no token has.
func (e *Encoding) decode(cell []byte) (o origin, ok bool) {
	if e.size != 4 || len(cell) != 4 {
		return o, false
	}
	bits := binary.LittleEndian.Uint32(cell)
	n := bits&^(1<<31) - 1<<23
	if n >= exactCodes {
		return o, false
	}
	row, elem := int(n)/e.dim, int(n)%e.dim
	lane := row % e.lanes
	return origin{Tensor(bits >> 31), lane / e.heads, lane % e.heads, row/e.lanes - 1, elem}, true
}
