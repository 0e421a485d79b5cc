package engine

import (
	"bytes"
	"cmp"
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
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// Server is a process that answers over HTTP on this machine.
type Server struct {
	process *subprocess.Process
	url     string
	timeout time.Duration
}

// NotStartedError says that a server ended or hung before it had ever answered: it may be
// named wrongly, so it is an error and no finding.
type NotStartedError struct{ Process *worker.ProcessError }

func (e *NotStartedError) Error() string { return e.Process.Detail }

// exitTime is how long a process may take to end once it has cut a connection.
const exitTime = 2 * time.Second

// StartServer starts a process and waits until it answers a GET of the path ready with
// 200. command is that of a server on a port of 127.0.0.1. What takes longer than timeout,
// 0 for worker.DefaultTimeout, hangs: to become ready, or to answer. The error is a
// worker.ProcessError where the process ended or hung.
func StartServer(ctx context.Context, ready string, timeout time.Duration, command func(port string) *exec.Cmd) (*Server, error) {
	timeout = cmp.Or(timeout, worker.DefaultTimeout)
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	p, err := subprocess.Start(command(port))
	if err != nil {
		return nil, err
	}
	s := &Server{process: p, url: "http://127.0.0.1:" + port, timeout: timeout}
	late := time.After(timeout)
	for !s.answers(ctx, ready) {
		select {
		case <-p.Exited():
			<-p.Done()
			return nil, &worker.ProcessError{Kind: worker.Crash, Detail: fmt.Sprintf("the server ended (%s) before it answered%s", p.State(), said(p))}
		case <-late:
			p.Kill()
			return nil, &worker.ProcessError{Kind: worker.Hang, Detail: fmt.Sprintf("the server did not answer GET %s with 200 in %s; --timeout gives it more%s", ready, timeout, said(p))}
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
	ctx, stop := context.WithTimeout(ctx, s.timeout)
	defer stop()
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

// Get reads the answer to a GET, JSON, into answer.
func (s *Server) Get(ctx context.Context, path string, answer any) error {
	return s.ask(ctx, http.MethodGet, path, nil, answer)
}

// Post sends a question as JSON and reads the answer, JSON too, into answer. The error is
// a worker.ProcessError where the server ended or did not answer in time; it then has ended.
func (s *Server) Post(ctx context.Context, path string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return err
	}
	return s.ask(ctx, http.MethodPost, path, body, answer)
}

// Upload posts bytes. The answer is not read.
func (s *Server) Upload(ctx context.Context, path string, body []byte) error {
	return s.ask(ctx, http.MethodPost, path, body, nil)
}

func (s *Server) ask(ctx context.Context, method, path string, body []byte, answer any) error {
	timed, stop := context.WithTimeout(ctx, s.timeout)
	defer stop()
	s.process.Ask()
	status, text, err := exchange(timed, method, s.url+path, body)
	switch {
	case err != nil && ctx.Err() == nil:
		return s.gone(timed, path, err)
	case err != nil:
		return err
	case status != http.StatusOK && status != http.StatusCreated:
		return fmt.Errorf("the server answered %s with %d: %.200s", path, status, text)
	case answer == nil:
		return nil
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("the server answered %s with %.200s: %w", path, text, err)
	}
	return nil
}

// gone is the error of a server that did not answer a request.
func (s *Server) gone(timed context.Context, path string, err error) error {
	if errors.Is(timed.Err(), context.DeadlineExceeded) {
		s.process.Kill()
		return &worker.ProcessError{Kind: worker.Hang, Detail: fmt.Sprintf("no answer to %s in %s, and slidefuzz killed its process", path, s.timeout)}
	}
	select {
	case <-s.process.Done(): // all that it said was read
		return &worker.ProcessError{Kind: worker.Crash, Detail: fmt.Sprintf("its process ended (%s) at %s: %s", s.process.State(), path, s.process.Last())}
	case <-time.After(exitTime):
		return fmt.Errorf("the server did not answer %s: %w", path, err)
	}
}

// said is what a process said last, after a colon, "" for nothing.
func said(p *subprocess.Process) string {
	if text := p.Last(); text != "" {
		return ": " + text
	}
	return ""
}

// Ended reports whether the process has ended, by itself or since it hung.
func (s *Server) Ended() bool {
	select {
	case <-s.process.Done():
		return true
	default:
		return false
	}
}

// exchange sends a request and reads all of its answer.
func exchange(ctx context.Context, method, url string, body []byte) (status int, text []byte, err error) {
	q, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	q.Header.Set("Content-Type", "application/json")
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		return 0, nil, err
	}
	defer r.Body.Close()
	text, err = io.ReadAll(r.Body)
	return r.StatusCode, text, err
}

// Close ends the process; there may be none.
func (s *Server) Close() {
	if s != nil {
		s.process.Kill()
	}
}
