package judge

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// The rows on the tape are those that the encoding gives, from the second case on, and
// what is not on it is asked of the encoding.
func TestTape(t *testing.T) {
	for _, dtype := range []impls.DType{impls.F32, impls.BF16, impls.U8} {
		s := impls.Shape{Batch: 2, Heads: 3, Window: 4, Dim: 5, DType: dtype}
		c, err := newCode(s)
		require.NoError(t, err)
		c.use()
		require.Nil(t, c.rows(oracle.Keys, 0, 0, 1), "one case alone")
		c.use()
		for tensor := oracle.Keys; tensor <= oracle.Values; tensor++ {
			for lane := range s.Lanes() {
				for serial := range maxTape {
					want := make([]byte, s.RowBytes())
					c.PutRow(want, tensor, lane, serial)
					require.Equal(t, want, c.rows(tensor, lane, serial, 1))
				}
				all := c.rows(tensor, lane, 3, 7)
				require.Len(t, all, 7*s.RowBytes())
				require.Equal(t, c.rows(tensor, lane, 9, 1), all[6*s.RowBytes():])
			}
		}
		for tensor := oracle.Keys; tensor <= oracle.Values; tensor++ {
			for serial := range maxTape {
				all := c.token(tensor, 0, s.Lanes(), serial)
				for lane := range s.Lanes() {
					require.Equal(t, c.rows(tensor, lane, serial, 1), all[lane*s.RowBytes():(lane+1)*s.RowBytes()])
				}
				require.Equal(t, all[2*s.RowBytes():5*s.RowBytes()], c.token(tensor, 2, 3, serial))
			}
		}
		require.Nil(t, c.token(oracle.Keys, 0, 1, maxTape))
		require.Empty(t, c.rows(oracle.Keys, 0, maxTape, 0))
		require.Nil(t, c.rows(oracle.Keys, 0, maxTape, 1))
		require.Nil(t, c.rows(oracle.Keys, 0, maxTape-1, 2))
		require.True(t, c.of(impls.Shape{Batch: 2, Heads: 3, Window: 9, Dim: 5, DType: dtype, Layout: impls.TokensFirst}))
		for _, other := range []func(*impls.Shape){
			func(s *impls.Shape) { s.Batch++ },
			func(s *impls.Shape) { s.Heads++ },
			func(s *impls.Shape) { s.Dim++ },
			func(s *impls.Shape) { s.DType = impls.F16 },
		} {
			x := s
			other(&x)
			require.False(t, c.of(x))
		}
	}
	large, err := newCode(impls.Shape{Batch: 1 << 10, Heads: 1 << 4, Window: 1, Dim: 2})
	require.NoError(t, err)
	large.use()
	large.use()
	require.Nil(t, large.token(oracle.Keys, 0, 1, 0))
	require.Nil(t, large.rows(oracle.Keys, 0, 0, 1), "a token of it is larger than the tape may be")
}
