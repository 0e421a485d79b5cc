package shrink

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// A leak that shows where two requests of a batch have two tokens more than the window,
// as in CTranslate2, is found between a request and its fork, and needs neither.
func TestForksBecomePrompts(t *testing.T) {
	c, err := corpus.Parse("case", []byte(`slidefuzz case v1
shape window=3
target engine/CTranslate2
model arch=mistral kind=visible layers=2 heads=4 kv=2 dim=64 dtype=BF16 seed=5
prompt a 15
decode a
crop a 14
fork a b
chunk b 2 + chunk a 2
decode a + decode b
`), 0)
	require.NoError(t, err)
	leaks := func(c *corpus.Case) bool {
		open := corpus.Open{}
		for i := range c.Engine.Ops {
			o := &c.Engine.Ops[i]
			require.NoError(t, open.After(o))
			long := 0
			for _, p := range o.Parts {
				if open[p.Request].Tokens >= c.Shape.Window+2 {
					long++
				}
			}
			if long >= 2 {
				return true
			}
		}
		return false
	}
	require.True(t, leaks(c))
	small, stats := Steps(t.Context(), c, true, leaks)
	require.False(t, stats.Bounded)
	require.Less(t, stats.Runs, 100)
	require.Equal(t, `slidefuzz case v1
shape window=1
target engine/CTranslate2
model arch=mistral kind=visible layers=1 heads=1 kv=1 dim=64 dtype=F32 seed=1
prompt a 3 + prompt b 3
`, string(small.Text()))
}
