package reference

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Numbers of the short types come back as they were.
func TestShortNumbersComeBack(t *testing.T) {
	for h := range 1 << 16 {
		b := []byte{byte(h), byte(h >> 8)}
		for _, d := range []impls.DType{impls.F16, impls.BF16} {
			x, back := make([]float32, 1), make([]byte, 2)
			decode(x, b, d)
			encode(back, x, d)
			if x[0] != x[0] {
				y := make([]float32, 1)
				decode(y, back, d)
				require.True(t, y[0] != y[0], "%s %04x", d, h)
				continue
			}
			require.Equal(t, b, back, "%s %04x is %v", d, h, x[0])
		}
	}
	require.Equal(t, float32(65504), fromF16(0x7bff))
	require.Equal(t, float32(0x1p-24), fromF16(1))
	require.Equal(t, float32(-1.5), fromF16(0xbe00))
}

// What lies between two numbers goes to the nearest, from half way to the one that is
// even.
func TestRoundsToTheNearest(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 3))
	for _, d := range []impls.DType{impls.F16, impls.BF16} {
		number := func(bits int) float64 {
			x := make([]float32, 1)
			decode(x, []byte{byte(bits), byte(bits >> 8)}, d)
			return float64(x[0])
		}
		for range 20_000 {
			bits := random.IntN(0x7bff) // neither this nor the next is infinite
			lo, hi := number(bits), number(bits+1)
			x := float32(lo + (hi-lo)*random.Float64())
			half := random.IntN(4) == 0
			if half {
				x = float32((lo + hi) / 2)
			}
			want := bits
			if mid := (lo + hi) / 2; float64(x) > mid || float64(x) == mid && bits%2 == 1 {
				want = bits + 1
			}
			got := make([]byte, 2)
			encode(got, []float32{x}, d)
			require.Equal(t, want, int(got[0])|int(got[1])<<8, "%s %v between %v and %v", d, x, lo, hi)
		}
	}
	require.Equal(t, uint16(0x7c00), toF16(65520))
	require.Equal(t, uint16(0x7bff), toF16(65519))
	require.Equal(t, uint16(0xfc00), toF16(float32(math.Inf(-1))))
	require.Equal(t, uint16(0x7f80), toBF16(math.MaxFloat32))
}
