// Package ollama drives Ollama's server over HTTP. Its API takes text and gives the
// logarithms of the 20 largest probabilities.
package ollama

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// Logits is how many the API gives of each row: "top_logprobs must be between 0 and 20".
const Logits = 20

// Server is the server, which Command starts, as in "ollama serve". What varies is in its
// environment: OLLAMA_NUM_PARALLEL, OLLAMA_NEW_ENGINE, OLLAMA_FLASH_ATTENTION.
type Server struct {
	Command []string
	// Context is the tokens that a request may have.
	Context int
	// OneLess has checkpoints say a window of one token less than they have.
	OneLess bool
	// Timeout is for becoming ready and for each answer, 0 for worker.DefaultTimeout.
	Timeout time.Duration

	server  *engine.Server
	home    string // a folder of the server, for what it keeps
	version string
	model   string              // that is loaded
	words   map[string][]string // the texts of ids, by model
	ids     map[string]int      // of the loaded one: the inverse
}

// Load implements engine.Completer. Where the server has ended or hung since, of which the
// request then told, it starts another.
func (s *Server) Load(ctx context.Context, path string, format engine.Format) error {
	if format != engine.GGUF {
		return fmt.Errorf("ollama loads %s, not %s", engine.GGUF, format)
	}
	if s.server != nil && s.server.Ended() {
		s.Close()
	}
	err := s.load(ctx, path)
	var gone *worker.ProcessError
	if errors.As(err, &gone) {
		s.Close()
	}
	return err
}

func (s *Server) load(ctx context.Context, path string) error {
	if s.server == nil {
		if err := s.start(ctx); err != nil {
			return err
		}
	}
	if s.model != "" { // and with it what it keeps of prompts
		if err := s.unload(ctx); err != nil {
			return err
		}
	}
	model, err := s.create(ctx, path)
	if err != nil {
		return err
	}
	s.model, s.ids = model, map[string]int{}
	for id, word := range s.words[model] {
		s.ids[word] = id
	}
	return s.generate(ctx, map[string]any{}, nil)
}

// start starts the server in a folder of its own: it writes keys into its home.
func (s *Server) start(ctx context.Context) (err error) {
	if s.home, err = os.MkdirTemp("", "slidefuzz-ollama-*"); err != nil {
		return err
	}
	s.words = map[string][]string{}
	s.server, err = engine.StartServer(ctx, "/api/version", s.Timeout, func(port string) *exec.Cmd {
		c := exec.Command(s.Command[0], s.Command[1:]...)
		c.Env = append(os.Environ(), "OLLAMA_HOST=127.0.0.1:"+port, "HOME="+s.home, "OLLAMA_MODELS="+s.home, "OLLAMA_NO_CLOUD=1")
		return c
	})
	if err != nil {
		s.Close() // its folder
		var ended *worker.ProcessError
		if errors.As(err, &ended) && s.version == "" {
			return &engine.NotStartedError{Process: ended}
		}
		return err
	}
	var answer struct{ Version string }
	err = s.server.Get(ctx, "/api/version", &answer)
	s.version = answer.Version
	return err
}

// Version implements engine.Versioner, "" before Load.
func (s *Server) Version() string { return s.version }

// create makes a model of a checkpoint, unless it has, and returns its name.
func (s *Server) create(ctx context.Context, path string) (string, error) {
	checkpoint, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if s.OneLess {
		if err := engine.LessWindow(checkpoint, 1); err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
	}
	hash := sha256.Sum256(checkpoint)
	sum := hex.EncodeToString(hash[:])
	model := "probe-" + sum[:12]
	if s.words[model] != nil {
		return model, nil
	}
	if err := s.server.Upload(ctx, "/api/blobs/sha256:"+sum, checkpoint); err != nil {
		return "", err
	}
	if err := s.server.Post(ctx, "/api/create", map[string]any{
		"model": model, "files": map[string]string{"model.gguf": "sha256:" + sum}, "stream": false,
	}, &struct{}{}); err != nil {
		return "", err
	}
	var answer struct {
		Info struct {
			Tokens []string `json:"tokenizer.ggml.tokens"`
		} `json:"model_info"`
	}
	if err := s.server.Post(ctx, "/api/show", map[string]any{"model": model, "verbose": true}, &answer); err != nil {
		return "", err
	}
	if len(answer.Info.Tokens) == 0 {
		return "", fmt.Errorf("the server's /api/show lists no tokens of %s: is it older than 0.24?", model)
	}
	s.words[model] = answer.Info.Tokens
	return model, nil
}

// unload has the server end the process that runs the model.
func (s *Server) unload(ctx context.Context) error {
	if err := s.server.Post(ctx, "/api/generate", map[string]any{"model": s.model, "keep_alive": 0, "stream": false}, &struct{}{}); err != nil {
		return err
	}
	timeout := cmp.Or(s.Timeout, worker.DefaultTimeout)
	late := time.After(timeout)
	for {
		var running struct{ Models []struct{ Name string } }
		err := s.server.Get(ctx, "/api/ps", &running)
		var ended *worker.ProcessError
		if errors.As(err, &ended) || err == nil && len(running.Models) == 0 {
			return err
		}
		// It answers before the process has ended, and now and then with an error while it
		// forgets the model.
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			s.Close()
			return &worker.ProcessError{Kind: worker.Hang, Detail: fmt.Sprintf("the process of a model still ran %s after the server was asked to end it", timeout)}
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// step is what the API says of a token that it decoded.
type step struct {
	Top []struct {
		Token   string  `json:"token"`
		LogProb float32 `json:"logprob"`
	} `json:"top_logprobs"`
}

// generate asks for text with what is in question; the options that have the server load
// the model anew where they change are always the same.
func (s *Server) generate(ctx context.Context, options map[string]any, steps *[]step, prompt ...string) error {
	options["num_ctx"], options["num_thread"], options["temperature"] = s.Context, 1, 0
	question := map[string]any{"model": s.model, "raw": true, "stream": false, "keep_alive": -1, "options": options}
	if steps != nil {
		question["prompt"], question["logprobs"], question["top_logprobs"] = strings.Join(prompt, ""), true, Logits
	}
	answer := struct{ LogProbs *[]step }{steps}
	return s.server.Post(ctx, "/api/generate", question, &answer)
}

// Complete implements engine.Completer. The texts of a checkpoint's tokens are such that one
// after the other is read as those tokens.
func (s *Server) Complete(ctx context.Context, prompt []int, steps int) ([][]float32, error) {
	words := s.words[s.model]
	texts := make([]string, len(prompt))
	for i, id := range prompt {
		if id < 0 || id >= len(words) {
			return nil, fmt.Errorf("token %d: the server lists %d tokens of the checkpoint", id, len(words))
		}
		texts[i] = words[id]
	}
	var given []step
	if err := s.generate(ctx, map[string]any{"num_predict": steps}, &given, texts...); err != nil {
		return nil, err
	}
	rows := make([][]float32, len(given))
	for i, row := range given {
		rows[i] = engine.Missing(len(words))
		for _, t := range row.Top {
			id, ok := s.ids[t.Token]
			if !ok {
				return nil, fmt.Errorf("the server gives a log-probability of %q, which is no token", t.Token)
			}
			rows[i][id] = t.LogProb
		}
	}
	return rows, nil
}

// Close ends the server.
func (s *Server) Close() {
	s.server.Close()
	s.server, s.model = nil, ""
	if s.home != "" {
		_ = os.RemoveAll(s.home) // a temporary folder
		s.home = ""
	}
}
