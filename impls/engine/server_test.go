package engine_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// fakePort is set in the environment of this test as a server of its own.
const fakePort = "SLIDEFUZZ_FAKE_SERVER_PORT"

// TestFakeServer is the server that TestServer starts, and no test.
func TestFakeServer(t *testing.T) {
	port := os.Getenv(fakePort)
	if port == "" {
		t.Skip("it is started by TestServer")
	}
	http.HandleFunc("/health", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("/good", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"n": 7}`) })
	http.HandleFunc("/refused", func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "too long", http.StatusBadRequest) })
	http.HandleFunc("/hang", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	http.HandleFunc("/end", func(http.ResponseWriter, *http.Request) {
		fmt.Fprintln(os.Stderr, "GGML_ASSERT failed")
		os.Exit(3)
	})
	t.Fatal(http.ListenAndServe(net.JoinHostPort("127.0.0.1", port), nil))
}

// A server that ends or hangs is told from one that answers with an error: those go on
// with a fresh one, and are findings.
func TestServer(t *testing.T) {
	start := func(t *testing.T, timeout time.Duration) (*engine.Server, error) {
		t.Helper()
		s, err := engine.StartServer(t.Context(), "/health", timeout, func(port string) *exec.Cmd {
			cmd := exec.Command(os.Args[0], "-test.run=^TestFakeServer$")
			cmd.Env = append(os.Environ(), fakePort+"="+port)
			return cmd
		})
		t.Cleanup(s.Close)
		return s, err
	}
	var answer struct{ N int }
	ask := func(t *testing.T, timeout time.Duration, path string) error {
		t.Helper()
		s, err := start(t, timeout)
		require.NoError(t, err)
		return s.Post(t.Context(), path, map[string]int{"a": 1}, &answer)
	}
	t.Run("answers", func(t *testing.T) {
		require.NoError(t, ask(t, 0, "/good"))
		assert.Equal(t, 7, answer.N)
	})
	t.Run("refuses", func(t *testing.T) {
		err := ask(t, 0, "/refused")
		require.ErrorContains(t, err, "the server answered /refused with 400: too long")
		var ended *worker.ProcessError
		assert.NotErrorAs(t, err, &ended)
	})
	t.Run("ends", func(t *testing.T) {
		var ended *worker.ProcessError
		require.ErrorAs(t, ask(t, 0, "/end"), &ended)
		assert.Equal(t, worker.Crash, ended.Kind)
		assert.Equal(t, "its process ended (exit status 3) at /end: GGML_ASSERT failed", ended.Detail)
	})
	t.Run("hangs", func(t *testing.T) {
		const timeout = 2 * time.Second // in which it starts, on a busy machine too
		var ended *worker.ProcessError
		require.ErrorAs(t, ask(t, timeout, "/hang"), &ended)
		assert.Equal(t, worker.Hang, ended.Kind)
		assert.Contains(t, ended.Detail, "no answer to /hang in 2s")
	})
	t.Run("never ready", func(t *testing.T) {
		_, err := engine.StartServer(t.Context(), "/health", 300*time.Millisecond, func(string) *exec.Cmd { return exec.Command("sleep", "60") })
		require.ErrorContains(t, err, "did not answer GET /health with 200 in 300ms")
	})
	t.Run("ends at once", func(t *testing.T) {
		_, err := engine.StartServer(t.Context(), "/health", 0, func(string) *exec.Cmd {
			return exec.Command("sh", "-c", "echo no such model >&2; exit 2")
		})
		require.ErrorContains(t, err, "the server ended (exit status 2) before it answered: no such model")
	})
}
