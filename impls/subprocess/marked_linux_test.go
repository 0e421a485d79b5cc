package subprocess

import (
	"fmt"
	"os"
	"os/exec"
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
	require.Eventually(t, func() bool { return noneMarked(p.mark) }, 10*time.Second, time.Millisecond)
}

// What is just about to run its program shows no environment, and ends all the
// same.
func TestMarkedThatStarts(t *testing.T) {
	for i := range 30 {
		mark := fmt.Sprintf("a test's mark %d.%d", os.Getpid(), i)
		cmd := exec.Command("sleep", "60")
		cmd.Env = []string{markEnv + "=" + mark}
		require.NoError(t, cmd.Start())
		killMarked(mark)
		late := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait() // it was killed
		require.True(t, late.Stop(), "it was not found")
	}
}

// What has cleared its environment is known by its group once its parent has
// ended.
func TestClearedEnvironment(t *testing.T) {
	p, out := shell(t, "env -i sleep 60 & exit 3")
	start := time.Now()
	<-p.Done()
	require.Less(t, time.Since(start), afterlife)
	require.True(t, ends(out))
}

// A process that has ended has ended, whoever holds its pipes.
func TestExited(t *testing.T) {
	p, _ := shell(t, "echo $$ >&2; env -i setsid sleep 2 & exit 3")
	<-p.Exited()
	require.Equal(t, "exit status 3", p.State())
	start := time.Now()
	p.Kill()
	require.Less(t, time.Since(start), afterlife+killTime)
	require.Equal(t, "exit status 3", p.State())
}
