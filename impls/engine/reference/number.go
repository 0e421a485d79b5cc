package reference

import (
	"encoding/binary"
	"math"
	"sync"

	"github.com/slidefuzz/slidefuzz/impls"
)

// decode reads numbers of an element type into float32. It is exact.
func decode(to []float32, from []byte, d impls.DType) {
	switch d {
	case impls.F32:
		for i := range to {
			to[i] = math.Float32frombits(binary.LittleEndian.Uint32(from[4*i:]))
		}
	case impls.BF16:
		for i := range to {
			to[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(from[2*i:])) << 16)
		}
	case impls.F16:
		table := halves()
		for i := range to {
			to[i] = table[binary.LittleEndian.Uint16(from[2*i:])]
		}
	}
}

// encode rounds float32 to an element type: to the nearest, ties to even.
func encode(to []byte, from []float32, d impls.DType) {
	switch d {
	case impls.F32:
		for i, x := range from {
			binary.LittleEndian.PutUint32(to[4*i:], math.Float32bits(x))
		}
	case impls.BF16:
		for i, x := range from {
			binary.LittleEndian.PutUint16(to[2*i:], toBF16(x))
		}
	case impls.F16:
		for i, x := range from {
			binary.LittleEndian.PutUint16(to[2*i:], toF16(x))
		}
	}
}

func toBF16(x float32) uint16 {
	b := math.Float32bits(x)
	if x != x {
		return uint16(b>>16) | 0x40 // rounding could make infinity of it
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// toF16 rounds in one step, in float64, where scaling by a power of two is exact.
func toF16(x float32) uint16 {
	sign := uint16(math.Float32bits(x) >> 16 & 0x8000)
	a := math.Abs(float64(x))
	switch {
	case a != a:
		return sign | 0x7e00
	case a >= 65520: // half way from the largest number, 65504, to what would be the next
		return sign | 0x7c00
	case a < 0x1p-14: // the numbers below are multiples of 2^-24
		return sign | uint16(math.RoundToEven(a*0x1p24))
	}
	fraction, exponent := math.Frexp(a) // fraction in [1/2, 1)
	// 11 digits, the first of which is not written. A carry runs into the exponent.
	return sign | uint16((exponent+14)<<10+int(math.RoundToEven(fraction*2048))-1024)
}

func fromF16(h uint16) float32 {
	exponent, digits := int(h>>10&31), float64(h&0x3ff)
	var a float64
	switch exponent {
	case 0:
		a = digits * 0x1p-24
	case 31:
		if a = math.Inf(1); digits > 0 {
			a = math.NaN()
		}
	default:
		a = math.Ldexp(digits+1024, exponent-25)
	}
	if h&0x8000 != 0 {
		a = -a
	}
	return float32(a)
}

// halves is all numbers of F16 by their bits.
var halves = sync.OnceValue(func() *[1 << 16]float32 {
	var all [1 << 16]float32
	for h := range all {
		all[h] = fromF16(uint16(h))
	}
	return &all
})
