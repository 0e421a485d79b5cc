package engine

import (
	"encoding/binary"
	"math"

	"github.com/slidefuzz/slidefuzz/impls"
)

// appendFloat appends x in an element type, little-endian, rounded to the nearest and
// to even between two.
func appendFloat(b []byte, x float64, d impls.DType) []byte {
	bits := math.Float32bits(float32(x))
	switch d {
	case impls.BF16:
		return binary.LittleEndian.AppendUint16(b, bfloat16(bits))
	case impls.F16:
		return binary.LittleEndian.AppendUint16(b, float16(bits))
	}
	return binary.LittleEndian.AppendUint32(b, bits)
}

// bfloat16 is the upper half of a float32, rounded. Checkpoints hold no NaN.
func bfloat16(bits uint32) uint16 { return uint16((bits + 0x7fff + bits>>16&1) >> 16) }

// float16 rounds a float32. What is too large becomes infinity.
func float16(bits uint32) uint16 {
	sign := uint16(bits >> 16 & 0x8000)
	x := math.Abs(float64(math.Float32frombits(bits)))
	if x < 1.0/(1<<14) { // a multiple of 2^-24; 2^10 of them are the first normal number
		return sign | uint16(math.RoundToEven(x*(1<<24)))
	}
	mantissa, exponent := math.Frexp(x) // mantissa in [1/2, 1)
	m := int(math.RoundToEven(mantissa * (1 << 11)))
	h := (exponent+13)<<10 + m // the carry of m to 2^11 goes into the exponent
	if x >= 65520 {
		h = 0x7c00
	}
	return sign | uint16(h)
}

// truncate is x, which is not negative, with as many bits as an element type has,
// rounded down.
func truncate(x float64, d impls.DType) float64 {
	if x <= 0 {
		return 0
	}
	bits := map[impls.DType]int{impls.F32: 24, impls.F16: 11, impls.BF16: 8}[d]
	mantissa, exponent := math.Frexp(x)
	return math.Ldexp(math.Floor(math.Ldexp(mantissa, bits)), exponent-bits)
}
