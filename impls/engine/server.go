package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"time"

	"github.com/slidefuzz/slidefuzz/impls/subprocess"
)

// Server is a process that answers over HTTP on this machine.
type Server struct {
	process *subprocess.Process
	url     string
}

// StartServer starts a process and waits until it answers a GET of the path ready with
// 200. command is that of a server on so a port of 127.0.0.1.
func StartServer(ctx context.Context, ready string, command func(port string) *exec.Cmd) (*Server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := subprocess.Start(command(port))
	if err != nil {
		return nil, err
	}
	s := &Server{process: p, url: "http://127.0.0.1:" + port}
	for !s.answers(ctx, ready) {
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
	return s, nil
}

// freePort is a TCP port that nobody listens on: another may take it before the server
// does, which then ends and says so.
func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port), l.Close()
}

// answers reports whether the server answers a GET with 200.
func (s *Server) answers(ctx context.Context, path string) bool {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, http.NoBody)
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

// Post sends a question as JSON and reads the answer, JSON too, into answer.
func (s *Server) Post(ctx context.Context, path string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	q.Header.Set("Content-Type", "application/json")
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		return err
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	if r.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answered %s: %.200s", r.Status, text)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("the server answered %.200s: %w", text, err)
	}
	return nil
}

// Close ends the process; there may be none.
func (s *Server) Close() {
	if s != nil {
		s.process.Kill()
	}
}
