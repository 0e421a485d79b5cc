// Package llamacpp drives llama.cpp's server over HTTP.
package llamacpp

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"time"

	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// Server is the server, which Command starts, with the flags of what is to vary:
// --parallel, --ubatch-size, --cache-type-k. Those of llama-server are added that name
// the checkpoint and the address.
type Server struct {
	Command []string
	// Timeout is for becoming ready and for each answer, 0 for worker.DefaultTimeout.
	Timeout time.Duration

	server  *engine.Server
	started bool // whether it ever did
	version string
}

// Load implements engine.Completer.
func (s *Server) Load(ctx context.Context, path string, format engine.Format) (err error) {
	s.Close()
	if format != engine.GGUF {
		return fmt.Errorf("llama.cpp loads %s, not %s", engine.GGUF, format)
	}
	if err := s.start(ctx, path); err != nil {
		return err
	}
	if s.version != "" {
		return nil
	}
	var props struct {
		Build string `json:"build_info"`
	}
	err = s.server.Get(ctx, "/props", &props) // which an old server may lack
	var ended *worker.ProcessError
	if errors.As(err, &ended) {
		return err
	}
	s.version = props.Build
	return nil
}

// start starts the server. One that has never started was not named right, which is no
// fault of its own. Of one that had, a second try is made: its port may have been taken.
func (s *Server) start(ctx context.Context, path string) (err error) {
	command := func(port string) *exec.Cmd {
		return exec.Command(s.Command[0], slices.Concat(s.Command[1:], []string{"--model", path, "--host", "127.0.0.1", "--port", port})...)
	}
	s.server, err = engine.StartServer(ctx, "/health", s.Timeout, command)
	var ended *worker.ProcessError
	switch {
	case err == nil:
		s.started = true
	case !errors.As(err, &ended):
	case !s.started:
		err = &engine.NotStartedError{Process: ended}
	case ended.Kind == worker.Crash:
		s.server, err = engine.StartServer(ctx, "/health", s.Timeout, command)
	}
	return err
}

// Version implements engine.Versioner: the build that the server names, "" before Load.
func (s *Server) Version() string { return s.version }

// Complete implements engine.Completer.
func (s *Server) Complete(ctx context.Context, prompt []int, steps int) ([][]float32, error) {
	var answer struct {
		Steps []struct {
			Top []struct {
				ID      int     `json:"id"`
				LogProb float32 `json:"logprob"`
			} `json:"top_logprobs"`
		} `json:"completion_probabilities"`
	}
	if err := s.server.Post(ctx, "/completion", map[string]any{
		"prompt": prompt, "n_predict": steps, "cache_prompt": true, "ignore_eos": true,
		"n_probs":  1 << 20, // more than any vocabulary: it gives as many as it has
		"samplers": []string{"top_k"}, "top_k": 1,
	}, &answer); err != nil {
		return nil, err
	}
	rows := make([][]float32, len(answer.Steps))
	for i, step := range answer.Steps {
		rows[i] = make([]float32, len(step.Top))
		for _, t := range step.Top {
			if t.ID < 0 || t.ID >= len(step.Top) {
				return nil, fmt.Errorf("the server gives %d log-probabilities, one of them of token %d", len(step.Top), t.ID)
			}
			rows[i][t.ID] = t.LogProb
		}
	}
	return rows, nil
}

// Close ends the server.
func (s *Server) Close() {
	s.server.Close()
	s.server = nil
}
