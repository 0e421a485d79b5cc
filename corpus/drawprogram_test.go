package corpus

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// What programs are drawn for is frequent in them, and a statement that changes nothing rare.
func TestDrawnPrograms(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	stmts, nothing, joins, views, ofLast, most := 0, 0, 0, 0, 0, 0
	for range 4000 {
		p := drawProgram(r, true, false)
		require.NoError(t, p.Check())
		rows, last := map[string]int{}, ""
		for _, b := range p.Buffers {
			rows[b.Name] = b.Rows
			require.LessOrEqual(t, b.Rows, maxRows)
		}
		whole := func(e inplace.Expr) bool { return e.Op == inplace.OpView && len(e.Rows()) == rows[e.Name] }
		var look func(e inplace.Expr)
		look = func(e inplace.Expr) {
			if e.Op == inplace.OpView {
				views++
				if e.Name == last {
					ofLast++
				}
			}
			if e.Op == inplace.OpCat && len(e.Args) == 2 && whole(e.Args[0]) && whole(e.Args[1]) {
				joins++
			}
			for _, a := range e.Args {
				look(a)
			}
		}
		for _, s := range p.Stmts {
			stmts++
			if writesItself(s) {
				nothing++
			}
			look(s.Src)
			if s.Define {
				rows[s.Dst] = rowsOf(s.Src)
				most = max(most, rows[s.Dst])
			}
			if s.Form == inplace.NotReturned {
				last = s.Dst
			}
		}
	}
	require.Less(t, nothing, stmts/1000, "statements that write what is there")
	require.Greater(t, joins, stmts/10, "a cat of all of two names")
	require.Greater(t, ofLast, views*4/10, "views of what was written or defined last")
	require.Equal(t, maxJoined, most, "the rows of a value")
}
