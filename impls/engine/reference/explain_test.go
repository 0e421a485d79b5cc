package reference

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/engine"
)

// From a query it leads to the rows that it attended to, to whose they are, and to what
// was done to the cache that they lie in.
func TestExplain(t *testing.T) {
	dir := tiny{"mistral", 3, impls.BF16}.write(t)
	forward := func(e *Engine, chunks ...engine.Chunk) {
		_, err := e.Forward(t.Context(), chunks, false)
		require.NoError(t, err)
	}
	run := func(o Options) *Engine {
		e := loaded(t, dir, o)
		forward(e, engine.Chunk{Request: "a", Tokens: []int{1, 2, 3, 4}, New: true}, engine.Chunk{Request: "b", Tokens: []int{11, 12}, New: true})
		forward(e, engine.Chunk{Request: "a", Tokens: []int{5}}, engine.Chunk{Request: "b", Tokens: []int{13}})
		return e
	}
	x, err := run(Options{}).Explain("a", 4, 1)
	require.NoError(t, err)
	require.Equal(t, "row 0, position 2: token 2 of request a\nrow 1, position 3: token 3 of request a\nrow 2, position 4: token 4 of request a\n", x.String())
	require.Equal(t, `slidefuzz case v1
shape batch=1 heads=2 window=3 dim=6 dtype=BF16 layout=heads-first
target go/beams
block 1
schedule ascending
select 0,0
select 0,1,1
append 4,2,0
append 1,1,0
`, x.Cache)

	// The first row of the second request is the newest of the first.
	x, err = run(Options{Fault: "rows-of-other"}).Explain("b", 2, 0)
	require.NoError(t, err)
	require.Equal(t, "row 0, position 0: token 4 of request a\nrow 1, position 1: token 1 of request b\nrow 2, position 2: token 2 of request b\n", x.String())

	// Where it races, the keys and values of token 4 were read again in place of token 3.
	x, err = run(Options{Fault: "race-descending"}).Explain("a", 4, 0)
	require.NoError(t, err)
	require.NotContains(t, x.String(), "position 3: token 3 of request a\n")
	require.Equal(t, `slidefuzz case v1
shape batch=1 heads=2 window=3 dim=6 dtype=BF16 layout=heads-first
target roll/drop-war/sim
block 1
schedule descending
append 4
append 1
`, x.Cache)

	// A row that no token brought has no name.
	e := run(Options{Fault: "last-token-lost"})
	forward(e, engine.Chunk{Request: "b", Tokens: []int{14, 15}})
	x, err = e.Explain("b", 4, 0)
	require.NoError(t, err)
	require.Contains(t, x.String(), "position 2: no token\n")

	_, err = e.Explain("a", 4, 0)
	require.ErrorContains(t, err, "no query of request a at position 4 in layer 0")
}
