package worker

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
)

// encoded writes a message to a file.
func encoded(t *testing.T, meta map[string]string) (path string, size int) {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, (&Message{Meta: meta}).Write(&b))
	path = filepath.Join(t.TempDir(), "message")
	require.NoError(t, os.WriteFile(path, b.Bytes(), 0o600))
	return path, b.Len()
}

// A worker that has replied and leaves the request unread is not one that gave no
// reply.
func TestUnreadRequest(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no sh")
	}
	hello, _ := encoded(t, map[string]string{"name": "a", "version": "1", "contract": "chunks", "dtypes": "U8", "device": "cpu"})
	_, first := encoded(t, map[string]string{"op": "hello", "protocol": "1"})
	reply, _ := encoded(t, nil)
	script := fmt.Sprintf("head -c %d >/dev/null; cat %s; head -c 8 >/dev/null; cat %s; sleep 60", first, hello, reply)
	c := Client{Args: []string{"sh", "-c", script}, Timeout: 300 * time.Millisecond}
	defer c.Kill()
	_, err := c.Hello(t.Context())
	require.NoError(t, err)
	s := impls.Shape{Batch: 1, Heads: 1, Window: 1, Dim: 1 << 20, DType: impls.U8}
	_, _, err = c.Update(t.Context(), impls.NewTensor(s, 1), impls.NewTensor(s, 1))
	var fault *ProcessError
	require.ErrorAs(t, err, &fault)
	require.Equal(t, Hang, fault.Kind)
	require.Equal(t, "it replied to update and did not read all of the request in 300ms, and slidefuzz killed its process", fault.Detail)
}

// One that refuses hello is a worker's fault, and says so.
func TestRefusedHello(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no sh")
	}
	no, _ := encoded(t, map[string]string{"error": "not today"})
	c := Client{Args: []string{"sh", "-c", "head -c 8 >/dev/null; cat " + no + "; sleep 60"}}
	defer c.Kill()
	_, err := c.Hello(t.Context())
	var failed *StartError
	require.ErrorAs(t, err, &failed)
	require.Equal(t, "hello was refused: not today", failed.Detail)
}

// A worker that starts slowly has not hung, and one that starts too slowly has done so at no
// request.
func TestSlowStart(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no sh")
	}
	hello, _ := encoded(t, map[string]string{"name": "a", "version": "1", "contract": "chunks", "dtypes": "U8", "device": "cpu"})
	c := Client{Args: []string{"sh", "-c", "sleep 0.5; head -c 8 >/dev/null; cat " + hello + "; sleep 60"}, Timeout: 100 * time.Millisecond}
	defer c.Kill()
	_, err := c.Hello(t.Context())
	require.NoError(t, err)
	c.Kill()
	c.Args, c.StartTimeout = []string{"sleep", "60"}, 100*time.Millisecond
	_, err = c.Hello(t.Context())
	var slow *StartError
	require.ErrorAs(t, err, &slow)
	require.Equal(t, "starting the worker: no reply to hello in 100ms, and slidefuzz killed its process; --start-timeout gives it more", slow.Detail)
	require.Nil(t, c.Ended())
}

// A worker that does not start again is no crash of what it is asked next: the error tells what
// ended it first, each time, for in a batch of programs that is nobody's finding yet.
func TestNoStartAfterCrash(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no sh")
	}
	hello, _ := encoded(t, map[string]string{"name": "a", "version": "1", "contract": "chunks", "dtypes": "U8", "device": "cpu"})
	s := impls.Shape{Batch: 1, Heads: 1, Window: 1, Dim: 1, DType: impls.U8}
	for again, want := range map[string]struct {
		limit time.Duration
		text  string
	}{
		"sleep 60":                        {100 * time.Millisecond, `^starting the worker: no reply to hello in 100ms, .*--start-timeout gives it more`},
		"echo no such device >&2; exit 4": {0, `^the worker does not start again: (before|in reply to) hello: its process ended \(exit status 4\): no such device`},
	} {
		c := Client{Args: []string{"sh", "-c", "head -c 8 >/dev/null; cat " + hello + "; head -c 60 >/dev/null; echo no more >&2; exit 3"}}
		t.Cleanup(c.Kill)
		_ = c.New(t.Context(), s)
		require.NotNil(t, c.Ended())
		c.Args, c.StartTimeout, c.pauses = []string{"sh", "-c", again}, want.limit, []time.Duration{}
		for range 2 {
			err := c.New(t.Context(), s)
			var failed *StartError
			require.ErrorAs(t, err, &failed)
			require.Regexp(t, want.text+` \(what ended the process before it: in reply to new: its process ended \(exit status 3\): no more\)$`, failed.Detail)
			require.Nil(t, c.Ended())
		}
	}
}

// A worker that has started before, as another client's has, is tried three times; once that
// was in vain, one time. A first start has one try, and one that takes all its time is the last.
func TestTriesToStartAgain(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no sh")
	}
	hello, _ := encoded(t, map[string]string{"name": "a", "version": "1", "contract": "chunks", "dtypes": "U8", "device": "cpu"})
	dir := t.TempDir()
	starts := "head -c 8 >/dev/null; cat " + hello + "; sleep 60"
	fails := "echo busy >&2; exit 4"
	at := func(n int) string { // the try that succeeds
		return fmt.Sprintf("cd %s; mkdir 1 2>/dev/null || mkdir 2 2>/dev/null || mkdir 3; if test -e %d; then rmdir *; %s; else %s; fi", dir, n, starts, fails)
	}
	c := &Client{Args: []string{"sh", "-c", fails}, pauses: []time.Duration{time.Millisecond, time.Millisecond}}
	t.Cleanup(c.Kill)
	start := func(c *Client, script string) error {
		c.Kill()
		c.Args = []string{"sh", "-c", script}
		_, err := c.Hello(t.Context())
		return err
	}
	require.ErrorAs(t, start(c, fails), new(*StartError))
	require.Equal(t, 1, c.Starts(), "it may be the command")
	require.Nil(t, c.Said())
	require.NoError(t, start(c, starts))
	require.Equal(t, 2, c.Starts())
	for n := 1; n <= 3; n++ {
		before := c.Starts()
		require.NoError(t, start(c, at(n)))
		require.Equal(t, n, c.Starts()-before)
	}
	require.Equal(t, 0+1+2, c.Retries().Starts)
	require.GreaterOrEqual(t, c.Retries().Took, 3*time.Millisecond)
	another := c.Another()
	t.Cleanup(another.Kill)
	for name, c := range map[string]*Client{"the worker does not start again: ": c, "": another} {
		before := c.Starts()
		require.Regexp(t, "^"+name+`tried 3 times, at last (before|in reply to) hello: its process ended \(exit status 4\): busy$`, start(c, fails).Error())
		require.Equal(t, 3, c.Starts()-before)
		require.Regexp(t, "^"+name+`(before|in reply to) hello: `, start(c, fails).Error())
		require.Equal(t, 4, c.Starts()-before)
	}
	for _, c := range []*Client{c, another} { // they count together, and the last try is not tried again
		require.Equal(t, 3+2*2, c.Retries().Starts)
	}
	require.Equal(t, "a", c.Said().Name)
	require.Nil(t, another.Said())
	require.NoError(t, start(c, starts))
	silent := c.Another()
	silent.StartTimeout = 100 * time.Millisecond
	for range 2 {
		require.ErrorContains(t, start(silent, "sleep 60"), "starting the worker: no reply to hello in 100ms")
		require.Equal(t, 1, silent.Starts())
	}
	before := c.Starts()
	var failed *StartError
	require.ErrorAs(t, func() error {
		c.Kill()
		c.Args = []string{"/no/such/command"}
		_, err := c.Hello(t.Context())
		return err
	}(), &failed)
	require.ErrorIs(t, failed, os.ErrNotExist)
	require.Regexp(t, "^starting the worker: tried 3 times, at last .*/no/such/command", failed.Detail)
	require.Equal(t, before, c.Starts())
}

// The pauses between tries end with the context, and what was in vain until then is told.
func TestTriesEndInTime(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no sh")
	}
	c := &Client{Args: []string{"sh", "-c", "echo busy >&2; exit 4"}, another: true, pauses: []time.Duration{time.Hour}}
	t.Cleanup(c.Kill)
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	_, err := c.Hello(ctx)
	var failed *StartError
	require.ErrorAs(t, err, &failed)
	require.Contains(t, failed.Detail, "busy")
}
