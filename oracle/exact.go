package oracle

import (
	"encoding/binary"
	"math"
)

// Cells of programs that add: four bytes, whole numbers. As F32 they are below 2^20, so
// that eight of them add exactly; as I32 they have any bits, and sums wrap.

// wholeBelow is 2^20: the sum of eight F32 whole numbers below it is below 2^24, up to
// which each whole number is one of F32.
const wholeBelow = 1 << 20

// PutExact fills a row of four-byte cells that name their lane and position by numbers
// that look random, and add exactly.
func PutExact(float bool, row []byte, lane, position int) {
	for i := 0; i+4 <= len(row); i += 4 {
		n := mixed(uint64(position)<<40 ^ uint64(lane)<<20 ^ uint64(i/4))
		if float {
			// Never 0: a cell that nobody wrote is not one of the start.
			n = math.Float32bits(float32(1 + n%(wholeBelow-1)))
		}
		binary.LittleEndian.PutUint32(row[i:], n)
	}
}

// mixed is the finalizer of splitmix64, its upper half.
func mixed(x uint64) uint32 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return uint32((x ^ x>>31) >> 32)
}

// AddCells adds the four-byte cells of src to those of dst.
func AddCells(float bool, dst, src []byte) {
	for i := 0; i+4 <= len(dst); i += 4 {
		a, b := binary.LittleEndian.Uint32(dst[i:]), binary.LittleEndian.Uint32(src[i:])
		n := a + b
		if float {
			n = math.Float32bits(math.Float32frombits(a) + math.Float32frombits(b))
		}
		binary.LittleEndian.PutUint32(dst[i:], n)
	}
}
