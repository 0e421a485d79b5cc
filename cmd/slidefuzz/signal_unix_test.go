//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// asEnv makes the test binary slidefuzz, or a worker of the kind that it names.
const asEnv = "SLIDEFUZZ_TEST_AS"

func init() {
	switch kind := os.Getenv(asEnv); kind {
	case "":
	case "slidefuzz":
		main()
	default:
		badWorker(kind)
		os.Exit(0)
	}
}

// badWorkers are the kinds of worker that TestSignals interrupts.
var badWorkers = []string{
	"silent", "stopped", "deaf", "daemon", "a byte a second", "floods stderr", "floods stdout", "closes stdin", "forks", "fills memory",
}

// badWorker says hello and takes new, and then is bad at update.
func badWorker(kind string) {
	in := bufio.NewReader(os.Stdin)
	answer := func(meta map[string]string) {
		if (&worker.Message{Meta: meta}).Write(os.Stdout) != nil {
			os.Exit(1)
		}
	}
	for {
		m, err := worker.Read(in)
		if err != nil {
			break
		}
		switch m.Meta["op"] {
		case "hello":
			if kind == "never says hello" {
				time.Sleep(time.Hour)
			}
			answer(map[string]string{"name": "bad", "version": "1", "contract": "chunks", "dtypes": "U8", "device": "cpu"})
		case "update":
			misbehave(kind)
		default:
			answer(nil)
		}
	}
}

func misbehave(kind string) {
	forever := func(f func()) {
		for {
			f()
		}
	}
	// sleeper is a child that holds this process's standard output.
	sleeper := func(ownSession bool) {
		cmd := exec.Command("sleep", "300")
		cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: ownSession}
		if cmd.Start() != nil {
			os.Exit(1)
		}
	}
	switch kind {
	case "stopped":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case "deaf":
		signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	case "daemon":
		sleeper(true)
	case "a byte a second":
		var b bytes.Buffer
		_ = (&worker.Message{Meta: map[string]string{"error": strings.Repeat("x", 1000)}}).Write(&b)
		for _, c := range b.Bytes() {
			_, _ = os.Stdout.Write([]byte{c})
			time.Sleep(time.Second)
		}
	case "floods stderr":
		forever(func() { _, _ = os.Stderr.Write(bytes.Repeat([]byte("nothing to see here\n"), 1<<10)) })
	case "floods stdout":
		forever(func() { _ = (&worker.Message{}).Write(os.Stdout) })
	case "closes stdin":
		_ = os.Stdin.Close()
	case "forks":
		for i := range 40 {
			sleeper(i%2 == 0)
		}
	case "fills memory":
		var hog [][]byte
		forever(func() { hog = append(hog, bytes.Repeat([]byte{1}, 64<<20)); time.Sleep(50 * time.Millisecond) })
	}
	time.Sleep(time.Hour)
}

// hunting is a hunt in a bad worker, as a process of its own.
type hunting struct {
	cmd   *exec.Cmd
	out   bytes.Buffer
	ended chan struct{}
	token string
}

// tokenEnv marks the processes of one test.
const tokenEnv = "SLIDEFUZZ_TEST_TOKEN"

func startHunt(t *testing.T, kind string, flags ...string) *hunting {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	h := &hunting{ended: make(chan struct{}), token: fmt.Sprintf("%s=%d.%d", tokenEnv, os.Getpid(), time.Now().UnixNano())}
	command := fmt.Sprintf("env %q %q", asEnv+"="+kind, self)
	h.cmd = exec.Command(self, append([]string{"hunt", "--seed", "1", "--exec", command, "--worker-memory", "512MiB"}, flags...)...)
	h.cmd.Env = append(os.Environ(), asEnv+"=slidefuzz", h.token)
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	h.cmd.WaitDelay = time.Second
	h.cmd.Stdout, h.cmd.Stderr = &h.out, &h.out
	require.NoError(t, h.cmd.Start())
	go func() {
		_ = h.cmd.Wait() // the state says how it ended
		close(h.ended)
	}()
	t.Cleanup(func() {
		_ = h.cmd.Process.Kill()
		<-h.ended
		for _, pid := range h.left() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return h
}

// left lists what still runs of the hunt.
func (h *hunting) left() (pids []int) {
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range files {
		env, err := os.ReadFile(path)
		if err == nil && bytes.Contains(env, []byte(h.token)) {
			var pid int
			if _, err := fmt.Sscanf(path, "/proc/%d/", &pid); err == nil {
				pids = append(pids, pid)
			}
		}
	}
	return pids
}

// A hunt ends within two seconds of a signal, whatever its worker does; it prints
// what it has, exits with 128 and the signal's number, and leaves no process.
func TestSignals(t *testing.T) {
	after := 2 * time.Second
	if testing.Short() {
		after /= 4
	}
	for i, kind := range badWorkers {
		sig, status := syscall.SIGTERM, 143
		if i%2 == 1 {
			sig, status = syscall.SIGINT, 130
		}
		t.Run(kind, func(t *testing.T) {
			reports := t.TempDir()
			junit := filepath.Join(reports, "junit.xml")
			h := startHunt(t, kind, "--junit", junit, "-o", reports)
			time.Sleep(after)
			start := time.Now()
			require.NoError(t, h.cmd.Process.Signal(sig))
			select {
			case <-h.ended:
			case <-time.After(20 * time.Second):
				t.Fatal("the hunt goes on")
			}
			assert.Less(t, time.Since(start), 2*time.Second)
			assert.Equal(t, status, h.cmd.ProcessState.ExitCode(), &h.out)
			assert.Contains(t, h.out.String(), "worker/bad")
			assert.Contains(t, h.out.String(), "interrupted")
			assert.NotContains(t, h.out.String(), "hang: ")
			assert.NotContains(t, h.out.String(), "(start)", "it never came to be bad")
			xml, err := os.ReadFile(junit)
			require.NoError(t, err)
			assert.Contains(t, string(xml), `name="interrupted" value="true"`)
			page, err := os.ReadFile(filepath.Join(reports, "index.html"))
			require.NoError(t, err)
			assert.Contains(t, string(page), "Not the whole hunt: interrupted.")
			if runtime.GOOS == "linux" { // elsewhere a daemon may stay
				assert.Empty(t, h.left())
			}
		})
	}
}

// A signal before the worker has said hello, too, which each output says.
func TestSignalBeforeHello(t *testing.T) {
	reports := t.TempDir()
	junit := filepath.Join(reports, "junit.xml")
	h := startHunt(t, "never says hello", "--json", "--junit", junit, "-o", reports)
	time.Sleep(300 * time.Millisecond)
	require.NoError(t, h.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-h.ended:
	case <-time.After(2 * time.Second):
		t.Fatal("the hunt goes on")
	}
	assert.Equal(t, 143, h.cmd.ProcessState.ExitCode())
	assert.Regexp(t, `"error":"[^"]*ended by a signal: terminated","interrupted":true,.*"exit":143`, h.out.String())
	xml, err := os.ReadFile(junit)
	require.NoError(t, err)
	assert.Contains(t, string(xml), `name="interrupted" value="true"`)
	assert.Regexp(t, `<error message="[^"]*ended by a signal: terminated"`, string(xml))
	page, err := os.ReadFile(filepath.Join(reports, "index.html"))
	require.NoError(t, err)
	assert.Contains(t, string(page), "ended by a signal: terminated")
}

// timeout(1) sends its SIGTERM twice: a hunt still prints what it has.
func TestSignalOfTimeout(t *testing.T) {
	h := startHunt(t, badWorkers[0])
	time.Sleep(500 * time.Millisecond)
	for range 2 {
		require.NoError(t, h.cmd.Process.Signal(syscall.SIGTERM))
		time.Sleep(5 * time.Millisecond) // or the two are one to the kernel
	}
	select {
	case <-h.ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the hunt goes on")
	}
	assert.Equal(t, 143, h.cmd.ProcessState.ExitCode(), &h.out)
	assert.Contains(t, h.out.String(), "interrupted")
}

// A second signal ends the program at once, whatever it does.
func TestSecondSignal(t *testing.T) {
	// Standard input that never ends is read without a bound.
	self, err := os.Executable()
	require.NoError(t, err)
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer w.Close()
	cmd := exec.Command(self, "hunt", "--seed", "1", "--cases", "100000000")
	cmd.Env = append(os.Environ(), asEnv+"=slidefuzz")
	cmd.Stdin, cmd.Stdout = r, io.Discard
	require.NoError(t, cmd.Start())
	time.Sleep(300 * time.Millisecond)
	start := time.Now()
	for range 2 {
		require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
		time.Sleep(10 * time.Millisecond)
	}
	_ = cmd.Wait() // the state says how it ended
	assert.Equal(t, 130, cmd.ProcessState.ExitCode())
	assert.Less(t, time.Since(start), time.Second)
}

// A merge whose worker is still starting when a signal ends it tells what the shards found.
func TestSignalAtTheStartOfAMerge(t *testing.T) {
	slidefuzz, dir := slidefuzzBinary(t), t.TempDir()
	dirs := shards(t, 2, "hunt", "--exec", slidefuzz+" worker program/drop-war/sim", "--seed", "1", "--cases", "128")
	script, junit, out := filepath.Join(dir, "worker.sh"), filepath.Join(dir, "junit.xml"), filepath.Join(dir, "out")
	started := filepath.Join(dir, "started")
	require.NoError(t, os.WriteFile(script, []byte("touch "+started+"\nexec sleep 60\n"), 0o600))
	cmd := exec.Command(slidefuzz, append([]string{"merge", "--exec", "sh " + script, "--json", "--junit", junit, "-o", out}, dirs...)...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Start())
	require.Eventually(t, func() bool { _, err := os.Stat(started); return err == nil }, time.Minute, 10*time.Millisecond)
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	_ = cmd.Wait() // its status is asked for
	require.Equal(t, 130, cmd.ProcessState.ExitCode(), stderr.String())
	require.Contains(t, stderr.String(), "merge: --exec: a signal ended the start of the worker")
	require.Contains(t, stdout.String(), `"event":"finding"`)
	require.Regexp(t, `"event":"end",.*"cases":128,.*"interrupted":true,.*"exit":130`, stdout.String())
	require.FileExists(t, filepath.Join(out, "index.html"))
	text, err := os.ReadFile(junit)
	require.NoError(t, err)
	require.Contains(t, string(text), "<failure")
}
