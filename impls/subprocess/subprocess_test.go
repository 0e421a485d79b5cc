package subprocess

import (
	"fmt"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// However much is written, the end is kept.
func TestTail(t *testing.T) {
	var tail Tail
	require.Empty(t, tail.Last())
	for i := range 10_000 {
		n, err := fmt.Fprintf(&tail, "line %d\n", i)
		require.NoError(t, err)
		require.Positive(t, n)
		require.LessOrEqual(t, len(tail.text), tailBytes)
	}
	require.Equal(t, "line 9999", tail.Last())
	n, err := tail.Write(make([]byte, 3*tailBytes))
	require.NoError(t, err)
	require.Equal(t, 3*tailBytes, n, "all of it counts as written")
	require.Len(t, tail.text, tailBytes)
}

// What a child has started ends with it.
func TestKillGroup(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no process groups")
	}
	cmd := exec.Command("sh", "-c", "sleep 60 & wait")
	SetGroup(cmd)
	out, err := cmd.StdoutPipe() // the sleep holds it open too
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	KillGroup(cmd)
	ended := make(chan error, 1)
	go func() {
		_, err := out.Read(make([]byte, 1))
		ended <- err
	}()
	select {
	case err := <-ended:
		require.Error(t, err, "the end of its output")
	case <-time.After(20 * time.Second):
		t.Fatal("something of it still runs")
	}
	require.Error(t, cmd.Wait())
}
