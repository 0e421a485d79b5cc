package judge

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A divergence says which ids the engine was given until then: padding, tokens that begin
// anew behind a crop and from the first identity, and nothing of operations after it.
func TestTokensGiven(t *testing.T) {
	f := &fake{extra: func(f *fake, request string) []row {
		if request == "a" && len(f.requests[request]) == 8 {
			return []row{{30, 30, 0}}
		}
		return nil
	}}
	d := judged(t, NewEngine(), f, "pad b 4\nprompt a 9 + prompt b 5\ncrop a 7\ndecode a\ndecode b\n")
	require.NotNil(t, d)
	require.Equal(t, 3, d.Op)
	require.Equal(t, []string{"op 1: a gets 0 to 8; b gets 4 times padding (59), then 33 to 37", "op 3: a gets 22"}, d.Given)
	require.Equal(t, "56, 57, 0 to 4", inRuns([]int{56, 57, 0, 1, 2, 3, 4}))
}
