package ollama

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// fakeLog names the file, in the environment of this test as a server of its own, to which
// the server writes what it is asked.
const fakeLog = "SLIDEFUZZ_FAKE_OLLAMA"

// fakeStays has a model of that server run for ever.
const fakeStays = "SLIDEFUZZ_FAKE_OLLAMA_STAYS"

// TestFakeServer is the server that the other tests start, and no test.
func TestFakeServer(t *testing.T) {
	name := os.Getenv(fakeLog)
	if name == "" {
		t.Skip("it is started by other tests")
	}
	log, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	require.NoError(t, err)
	running, polls := 0, 0
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var asked struct {
			Prompt    string
			KeepAlive int `json:"keep_alive"`
		}
		_ = json.Unmarshal(body, &asked) // a blob is none
		switch r.URL.Path {
		case "/api/version":
			fmt.Fprint(w, `{"version": "0.0.7"}`)
			return
		case "/api/show":
			fmt.Fprint(w, `{"model_info": {"tokenizer.ggml.tokens": ["t0", "t1", "t2", "x"]}}`)
		case "/api/ps":
			switch polls++; { // it takes some time to end
			case running != 0 || polls == 1:
				fmt.Fprint(w, `{"models": [{"name": "probe"}]}`)
			case polls == 2:
				w.WriteHeader(http.StatusInternalServerError)
			default:
				fmt.Fprint(w, `{"models": []}`)
			}
			return
		case "/api/generate":
			if os.Getenv(fakeStays) == "" {
				running = -asked.KeepAlive
			} else {
				running = 1
			}
			if asked.Prompt == "x" {
				os.Exit(3)
			}
			if polls = 0; asked.Prompt == "t2" {
				fmt.Fprint(w, `{"logprobs": [{"top_logprobs": [{"token": "y", "logprob": -1}]}]}`)
			} else {
				fmt.Fprint(w, `{"logprobs": [{"top_logprobs": [{"token": "t2", "logprob": -0.5}, {"token": "x", "logprob": -2}]}, {"top_logprobs": []}]}`)
			}
		default:
			if strings.HasPrefix(r.URL.Path, "/api/blobs/sha256:") {
				w.WriteHeader(http.StatusCreated)
				body = fmt.Appendf(nil, "%d", binary.LittleEndian.Uint32(body[strings.Index(string(body), "sliding_window\x04")+18:]))
			} else {
				fmt.Fprint(w, `{"status": "success"}`)
			}
		}
		fmt.Fprintf(log, "%s %s\n", r.URL.Path, body)
	})
	t.Fatal(http.ListenAndServe(os.Getenv("OLLAMA_HOST"), nil))
}

// fake is a driver of that server, and what the server was asked so far.
func fake(t *testing.T) (s *Server, asked func() string) {
	t.Helper()
	log := t.TempDir() + "/log"
	t.Setenv(fakeLog, log)
	s = &Server{Command: []string{os.Args[0], "-test.run=^TestFakeServer$"}, Context: 64}
	t.Cleanup(s.Close)
	return s, func() string {
		text, err := os.ReadFile(log)
		require.NoError(t, err)
		return string(text)
	}
}

func checkpoint(t *testing.T) string {
	t.Helper()
	path, err := engine.Model{Arch: engine.Gemma3, Kind: engine.Visible, Window: 4, Layers: 1, Heads: 1, KVHeads: 1, HeadDim: 64, DType: impls.F32}.Write(t.TempDir(), engine.GGUF)
	require.NoError(t, err)
	return path
}

// A checkpoint becomes a model once; when it is loaded again what ran it is ended first.
// Tokens go as their texts, and what comes back are rows in which most are missing.
func TestServer(t *testing.T) {
	s, asked := fake(t)
	path := checkpoint(t)
	require.NoError(t, s.Load(t.Context(), path, engine.GGUF))
	assert.Equal(t, "0.0.7", s.Version())
	home := s.home
	require.DirExists(t, home)
	require.NoError(t, s.Load(t.Context(), path, engine.GGUF))
	assert.Equal(t, 1, strings.Count(asked(), "/api/create"))
	assert.Equal(t, 1, strings.Count(asked(), `"keep_alive":0`))
	assert.Regexp(t, `/api/blobs/sha256:[0-9a-f]{64} 4\n`, asked())

	rows, err := s.Complete(t.Context(), []int{1, 0, 2}, 2)
	require.NoError(t, err)
	none := float32(math.Inf(-1))
	assert.Equal(t, [][]float32{{none, none, -0.5, -2}, {none, none, none, none}}, rows)
	assert.Contains(t, asked(), `"prompt":"t1t0t2"`)
	assert.Contains(t, asked(), `"num_predict":2`)
	_, err = s.Complete(t.Context(), []int{2}, 1)
	require.ErrorContains(t, err, `"y", which is no token`)

	s.Close()
	assert.NoDirExists(t, home)
}

// OneLess has the server read a window of one token less.
func TestOneLess(t *testing.T) {
	s, asked := fake(t)
	s.OneLess = true
	require.NoError(t, s.Load(t.Context(), checkpoint(t), engine.GGUF))
	assert.Regexp(t, `/api/blobs/sha256:[0-9a-f]{64} 3\n`, asked())
}

// A server that never started, or hung at its start, is no finding.
func TestDoesNotStart(t *testing.T) {
	for kind, s := range map[worker.Kind]*Server{
		worker.Crash: {Command: []string{"sh", "-c", "echo no such command >&2; exit 1"}},
		worker.Hang:  {Command: []string{"sleep", "60"}, Timeout: 300 * time.Millisecond},
	} {
		err := s.Load(t.Context(), checkpoint(t), engine.GGUF)
		var start *engine.NotStartedError
		require.ErrorAs(t, err, &start)
		assert.Equal(t, kind, start.Process.Kind)
		assert.NotRegexp(t, `[: ]$`, start.Error(), "a colon with nothing behind it")
		s.Close()
	}
	s := &Server{Command: []string{"sleep", "60"}}
	require.ErrorContains(t, s.Load(t.Context(), "folder", engine.HF), "ollama loads gguf, not hf")
}

// After a server that has ended there is another, and its folder is gone.
func TestServerEnds(t *testing.T) {
	s, asked := fake(t)
	path := checkpoint(t)
	require.NoError(t, s.Load(t.Context(), path, engine.GGUF))
	home := s.home
	_, err := s.Complete(t.Context(), []int{3}, 1)
	var ended *worker.ProcessError
	require.ErrorAs(t, err, &ended)
	assert.Equal(t, worker.Crash, ended.Kind)
	require.NoError(t, s.Load(t.Context(), path, engine.GGUF))
	assert.NoDirExists(t, home)
	assert.Equal(t, 2, strings.Count(asked(), "/api/create"))
	_, err = s.Complete(t.Context(), []int{1}, 1)
	require.NoError(t, err)
	_, err = s.Complete(t.Context(), []int{4}, 1)
	require.ErrorContains(t, err, "token 4: the server lists 4 tokens")
}

// A model that does not end hangs.
func TestModelStays(t *testing.T) {
	s, _ := fake(t)
	t.Setenv(fakeStays, "1")
	s.Timeout = 5 * time.Second // the server starts in some 100 ms, on a busy machine in a second
	path := checkpoint(t)
	require.NoError(t, s.Load(t.Context(), path, engine.GGUF))
	s.Timeout = 100 * time.Millisecond
	var ended *worker.ProcessError
	require.ErrorAs(t, s.Load(t.Context(), path, engine.GGUF), &ended)
	assert.Equal(t, worker.Hang, ended.Kind)
	assert.Contains(t, ended.Detail, "still ran 100ms after")
}
