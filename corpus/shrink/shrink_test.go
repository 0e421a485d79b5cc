package shrink

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// A write by index through a name is one to what the name stands for.
func TestShrinkInlinesIndexWrites(t *testing.T) {
	c, err := corpus.Parse("test", []byte("slidefuzz case v1\nshape batch=1 heads=1 window=1 dim=1 dtype=F16 layout=heads-first\n"+
		"target program/fused/sim\nblock 1\nschedule ascending\nbuffer x 5\nu = x[2:5]\nu[[1, 2]] = x[2:4]\n"), 0)
	require.NoError(t, err)
	small, _ := Case(t.Context(), c, func(c *corpus.Case) bool {
		return slices.ContainsFunc(c.Program.Stmts, func(st inplace.Stmt) bool {
			return len(st.Index) == 2 && st.Index[1] == st.Index[0]+1
		})
	})
	require.Contains(t, string(small.Text()), "buffer x 2\nx[[0, 1]] = x[0:2]\n")
}
