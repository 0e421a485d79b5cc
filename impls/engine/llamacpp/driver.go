// Package llamacpp drives llama.cpp's server over HTTP.
package llamacpp

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/engine"
)

// Driver is the server as an engine. A request is a prompt of all its tokens, so that
// what it has seen already is the server's prompt cache's to find.
type Driver struct {
	// Command starts the server, with the flags of what is to vary: --parallel,
	// --ubatch-size, --cache-type-k. Those of llama-server are added that name the
	// checkpoint, the address and the logits.
	Command []string
	// Ahead is how many tokens the server is asked to decode at once, at least 1. It is
	// asked again where a token is not the one that it chose.
	Ahead int

	server   *server
	requests map[string]*request
}

// request is its tokens, and rows of logits that the server gave ahead of them; the
// first was handed on last.
type request struct {
	tokens []int
	rows   [][]float32
}

// Load implements engine.Driver.
func (d *Driver) Load(ctx context.Context, path string, format engine.Format, _ int) (err error) {
	d.Close()
	if format != engine.GGUF {
		return fmt.Errorf("llama.cpp loads %s, not %s", engine.GGUF, format)
	}
	d.requests = map[string]*request{}
	d.server, err = start(ctx, d.Command, path)
	return err
}

// Forward implements engine.Driver: the requests of a batch are sent at the same time.
func (d *Driver) Forward(ctx context.Context, chunks []engine.Chunk, all bool) ([][]float32, error) {
	if all {
		return nil, fmt.Errorf("%w: the server gives logits of the last token alone", impls.ErrRefused)
	}
	rows, errs := make([][]float32, len(chunks)), make([]error, len(chunks))
	var wait sync.WaitGroup
	for i, c := range chunks {
		if c.New {
			d.requests[c.Request] = &request{}
		}
		r := d.requests[c.Request]
		wait.Go(func() { rows[i], errs[i] = d.next(ctx, r, c.Tokens) })
	}
	wait.Wait()
	return rows, errors.Join(errs...)
}

// next gives a request tokens.
func (d *Driver) next(ctx context.Context, r *request, tokens []int) (_ []float32, err error) {
	r.tokens = append(r.tokens, tokens...)
	if len(tokens) == 1 && len(r.rows) > 1 && tokens[0] == best(r.rows[0]) {
		r.rows = r.rows[1:]
	} else if r.rows, err = d.server.complete(ctx, r.tokens, max(1, d.Ahead)); err != nil {
		return nil, err
	}
	return r.rows[0], nil
}

// best is the token that greedy decoding chooses.
func best(row []float32) int { return slices.Index(row, slices.Max(row)) }

// Crop implements engine.Driver.
func (d *Driver) Crop(_ context.Context, name string, length int) error {
	d.requests[name] = &request{tokens: d.requests[name].tokens[:length:length]}
	return nil
}

// Fork implements engine.Driver.
func (d *Driver) Fork(_ context.Context, name, as string) error {
	d.requests[as] = &request{tokens: slices.Clone(d.requests[name].tokens)}
	return nil
}

// Drop implements engine.Driver.
func (d *Driver) Drop(_ context.Context, names ...string) error {
	for _, name := range names {
		delete(d.requests, name)
	}
	return nil
}

// Close ends the server.
func (d *Driver) Close() {
	if d.server != nil {
		d.server.Kill()
	}
	d.server = nil
}
