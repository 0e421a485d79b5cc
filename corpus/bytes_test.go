package corpus

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What the history keeps of tokens that snapshots hold, and of those that a select or
// a restore moves, counts: few lines could otherwise take all memory.
func TestCopiesOfTheHistoryCount(t *testing.T) {
	const header = "slidefuzz case v1\nshape batch=1 heads=1 window=1 dim=1 dtype=U8 layout=heads-first\ntarget go/beams\nblock 1\nschedule ascending\nappend 1000000\n"
	snapshots := &strings.Builder{}
	for i := range 100 {
		fmt.Fprintf(snapshots, "snapshot %d\n", i)
	}
	for _, ops := range []string{
		snapshots.String(),
		strings.Repeat("select 0,0,0,0,0,0,0,0\n", 100),
		"snapshot 0\n" + strings.Repeat("restore 0\n", 100),
	} {
		_, err := Parse("test", []byte(header+ops), 0)
		require.ErrorContains(t, err, "over the limit of 256 MiB")
	}
	_, err := Parse("test", []byte(header+strings.Repeat("snapshot 0\n", 100)), 0)
	require.NoError(t, err, "one snapshot, taken anew")
}
