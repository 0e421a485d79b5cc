package llamacpp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"time"

	"github.com/slidefuzz/slidefuzz/impls/subprocess"
)

// server is a process that answers over HTTP.
type server struct {
	*subprocess.Process
	address string
}

// start starts a server and waits until it has loaded a checkpoint.
func start(ctx context.Context, command []string, path string) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	address := "127.0.0.1:" + strconv.Itoa(port)
	args := append(append([]string{}, command[1:]...), "--model", path, "--host", "127.0.0.1", "--port", strconv.Itoa(port))
	p, err := subprocess.Start(exec.Command(command[0], args...))
	if err != nil {
		return nil, err
	}
	s := &server{Process: p, address: "http://" + address}
	for {
		if s.healthy(ctx) {
			return s, nil
		}
		select {
		case <-p.Exited():
			<-p.Done()
			return nil, fmt.Errorf("the server ended with %s: %s", p.State(), p.Last())
		case <-ctx.Done():
			p.Kill()
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond): // a small checkpoint loads in some 100 ms
		}
	}
}

// freePort is a TCP port that nobody listens on: another may take it before the server
// does, which then ends and says so.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

// healthy reports whether the server has loaded its checkpoint.
func (s *server) healthy(ctx context.Context) bool {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, s.address+"/health", http.NoBody)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return false
	}
	_ = answer.Body.Close() // nothing of it was asked for
	return answer.StatusCode == http.StatusOK
}

// completion is what the server answers: for each token that it chose, the
// log-probabilities of all, the largest first.
type completion struct {
	Steps []struct {
		Top []struct {
			ID      int     `json:"id"`
			LogProb float32 `json:"logprob"`
		} `json:"top_logprobs"`
	} `json:"completion_probabilities"`
}

// all is more than any vocabulary: the server gives as many log-probabilities as it has.
const all = 1 << 20

// complete has the server decode from a prompt: a row of log-probabilities by id for
// each of at most steps tokens.
func (s *server) complete(ctx context.Context, tokens []int, steps int) ([][]float32, error) {
	body, err := json.Marshal(map[string]any{
		"prompt": tokens, "n_predict": steps, "n_probs": all, "cache_prompt": true,
		"samplers": []string{"top_k"}, "top_k": 1, "ignore_eos": true,
	})
	if err != nil {
		return nil, err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, s.address+"/completion", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	q.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the server answered %s: %.200s", answer.Status, text)
	}
	var c completion
	if err := json.Unmarshal(text, &c); err != nil {
		return nil, fmt.Errorf("the server answered %.200s: %w", text, err)
	}
	if len(c.Steps) == 0 {
		return nil, errors.New("the server decoded no token")
	}
	rows := make([][]float32, len(c.Steps))
	for i, step := range c.Steps {
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
