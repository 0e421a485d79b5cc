package window

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

func kernels(how inplace.Lowering, stmts ...inplace.Stmt) *inplace.Plan {
	return inplace.Compile(inplace.Program{Buffers: []inplace.Buffer{{Name: "x", Rows: 4}, {Name: "new", Rows: 1}}, Stmts: stmts}, how, impls.Shape{Batch: 1, Heads: 1, Window: 4, Dim: 1, DType: impls.U8}, 1)
}

// What each lowering makes of the three updates: the number of kernels, and
// whether one of them races.
func TestLoweringsOfTheUpdates(t *testing.T) {
	for _, c := range []struct {
		update   string
		how      inplace.Lowering
		kernels  int
		hazard   bool
		describe string
	}{
		{"cat", inplace.Eager, 2, false, "cat, copy"},
		{"cat", inplace.Fused, 2, false, "materialised, copied"},
		{"cat", inplace.DropWAR, 1, true, "one kernel in place"},
		{"cat", inplace.DropClone, 2, false, "no clone here"},
		{"roll", inplace.Eager, 5, false, "roll; the row, then all rows, each through a buffer of its own"},
		{"roll", inplace.Fused, 2, false, "the chain is one kernel, materialised"},
		{"roll", inplace.DropWAR, 1, true, "one kernel in place"},
		{"roll-index", inplace.DropWAR, 3, false, "the assignment by index is a barrier"},
		{"shift-index", inplace.DropWAR, 3, false, "index_copy is a barrier"},
		{"shift-index", inplace.Fused, 3, false, "gather, scatter, copy back"},
		{"shift-index", inplace.Eager, 5, false, "gather, copy, scatter, and back through a buffer"},
	} {
		u, ok := LookupUpdate(c.update)
		require.True(t, ok)
		plan := kernels(c.how, u.step(4, 4, 1)...)
		hazard := false
		for _, k := range plan.Kernels {
			_, found := k.Hazard()
			hazard = hazard || found
		}
		require.Equal(t, c.hazard, hazard, "%s %s", c.update, c.how)
		t.Logf("%s/%s: %d kernels", c.update, c.how, len(plan.Kernels))
		require.Len(t, plan.Kernels, c.kernels, "%s %s: %s", c.update, c.how, c.describe)
	}
}
