package llamacpp

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// fakeEnds names a file, in the environment of this test as a server of its own, that has
// the server end before it answers.
const fakeEnds = "SLIDEFUZZ_FAKE_SERVER_ENDS"

// TestFakeServer is the server that TestLoad starts, and no test.
func TestFakeServer(t *testing.T) {
	file := os.Getenv(fakeEnds)
	if file == "" {
		t.Skip("it is started by TestLoad")
	}
	if _, err := os.Stat(file); err == nil {
		fmt.Fprintln(os.Stderr, "GGML_ASSERT failed")
		os.Exit(3)
	}
	http.HandleFunc("/health", func(http.ResponseWriter, *http.Request) {})
	http.HandleFunc("/props", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"build_info": "b7-fake"}`) })
	t.Fatal(http.ListenAndServe(net.JoinHostPort("127.0.0.1", os.Args[len(os.Args)-1]), nil)) // --port is the last
}

// A server that never started was named wrongly, which is an error; one that had, and ends
// with another checkpoint, is at fault.
func TestLoad(t *testing.T) {
	file := filepath.Join(t.TempDir(), "ends")
	t.Setenv(fakeEnds, file)
	ends := func() { require.NoError(t, os.WriteFile(file, nil, 0o600)) }
	server := func() *Server {
		s := &Server{Command: []string{os.Args[0], "-test.run=^TestFakeServer$", "--"}}
		t.Cleanup(s.Close)
		return s
	}
	load := func(s *Server) error { return s.Load(t.Context(), "checkpoint.gguf", engine.GGUF) }
	var ended *worker.ProcessError

	s := server()
	require.NoError(t, load(s))
	assert.Equal(t, "b7-fake", s.Version())
	ends()
	err := load(s)
	require.ErrorAs(t, err, &ended)
	assert.Equal(t, worker.Crash, ended.Kind)
	assert.Contains(t, ended.Detail, "before it answered: GGML_ASSERT failed")

	err = load(server())
	require.ErrorContains(t, err, "GGML_ASSERT failed")
	assert.False(t, errors.As(err, &ended))
}
