package subprocess

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A daemon that outlives its parent and holds its pipes ends too, and nothing
// waits for it.
func TestDaemon(t *testing.T) {
	p, out := shell(t, "setsid sleep 60 & echo last words >&2; exit 3")
	select {
	case <-p.Done():
	case <-time.After(10 * time.Second):
		t.Fatal("still waiting")
	}
	require.Equal(t, "exit status 3", p.State())
	require.Equal(t, "last words", p.Last())
	require.True(t, ends(out))
	require.Empty(t, marked(p.mark))
}
