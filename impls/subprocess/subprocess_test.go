package subprocess

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// However much is written, the end is kept.
func TestTail(t *testing.T) {
	var tail tail
	require.Empty(t, tail.last())
	for i := range 10_000 {
		n, err := fmt.Fprintf(&tail, "line %d\n", i)
		require.NoError(t, err)
		require.Positive(t, n)
		require.LessOrEqual(t, len(tail.text), tailBytes)
	}
	require.Equal(t, "line 9999", tail.last())
	n, err := tail.Write(make([]byte, 3*tailBytes))
	require.NoError(t, err)
	require.Equal(t, 3*tailBytes, n, "all of it counts as written")
	require.Len(t, tail.text, tailBytes)
}

// shell starts a script whose standard output is a pipe of this process.
func shell(t *testing.T, script string) (p *Process, out *os.File) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("no sh")
	}
	out, w, err := os.Pipe()
	require.NoError(t, err)
	t.Cleanup(func() { _ = out.Close() })
	cmd := exec.Command("sh", "-c", script)
	cmd.Stdout = w
	p, err = Start(cmd)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	t.Cleanup(p.Kill)
	return p, out
}

// ends reports whether reading out comes to its end: whether nobody holds it.
func ends(out *os.File) bool {
	ended := make(chan error, 1)
	go func() {
		for b := make([]byte, 512); ; {
			if _, err := out.Read(b); err != nil {
				ended <- err
				return
			}
		}
	}()
	select {
	case <-ended:
		return true
	case <-time.After(10 * time.Second):
		return false
	}
}

// What a child has started ends with it: in its group, and on Linux out of it.
func TestKill(t *testing.T) {
	for _, script := range []string{
		"sleep 60 & wait", "trap '' TERM INT; sleep 60 & wait", "kill -STOP $$", "setsid sleep 60 & wait", "setsid setsid sleep 60 & kill -STOP $$",
	} {
		if strings.Contains(script, "setsid") && runtime.GOOS != "linux" {
			continue
		}
		p, out := shell(t, script)
		time.Sleep(100 * time.Millisecond) // it starts what it starts
		start := time.Now()
		p.Kill()
		require.Less(t, time.Since(start), killTime, script)
		require.Equal(t, "signal: killed", p.State(), script)
		require.True(t, ends(out), "%s: something of it still runs", script)
	}
}

// KillAll ends what is there, and forgets nothing.
func TestKillAll(t *testing.T) {
	p, _ := shell(t, "sleep 60")
	q, _ := shell(t, "sleep 60")
	KillAll()
	for _, p := range []*Process{p, q} {
		select {
		case <-p.Done():
		case <-time.After(10 * time.Second):
			t.Fatal("still runs")
		}
	}
}

// What a process says of its end is told though it is asked for something after that.
func TestAskAfterTheEnd(t *testing.T) {
	p, _ := shell(t, "echo RuntimeError: no memory >&2; echo INFO bye >&2; exit 1")
	<-p.Done()
	p.Ask()
	require.Equal(t, "RuntimeError: no memory", p.Last())
}
