package shrink

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// A select that is left out, or made shorter, takes the lists after it along: they
// are of its batch.
func TestListsFollowTheBatch(t *testing.T) {
	c, err := corpus.Parse("test", []byte("slidefuzz case v1\nshape batch=3 heads=1 window=1 dim=1 dtype=U8 layout=heads-first\ntarget cache\nblock 1\nschedule ascending\nappend 5\nselect 2,0,1,1\ncrop 0,0,4,4\n"), 0)
	require.NoError(t, err)
	// The failure is a crop that cuts the first entry off and keeps the second.
	fails := func(c *corpus.Case) bool {
		at := corpus.NewLengths(c.Shape)
		for i := range c.Ops {
			o := &c.Ops[i]
			n := at.State().Batch()
			if o.Kind == corpus.Crop && o.Each != nil && len(o.Each) == n && o.Each[0] == 0 && o.Each[n-1] > 0 && at.State().Len(n-1) > 0 {
				return true
			}
			at.After(o, c.Shape)
		}
		return false
	}
	small, _ := Case(t.Context(), c, fails)
	require.Len(t, small.Ops, 2, "%s", small.Text())
	require.Equal(t, "crop 0,0,1", small.Ops[1].String())
}
