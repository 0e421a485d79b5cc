package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Completer is an engine that decodes greedily from a prompt, by itself.
type Completer interface {
	// Load loads the checkpoint at path, in the place of another.
	Load(ctx context.Context, path string, format Format) error
	// Complete gives a row of logits, or of log-probabilities, for each of at most steps
	// tokens and at least one: that from which the token after the prompt was chosen, and
	// so on. It is asked from several goroutines at once.
	Complete(ctx context.Context, prompt []int, steps int) ([][]float32, error)
	// Close ends it.
	Close()
}

// Prompts drives an engine that takes whole prompts. A request is a prompt of all its
// tokens, so that what the engine has seen already is its prompt cache's to find.
type Prompts struct {
	Completer
	// Ahead is how many tokens the engine is asked to decode at once, at least 1. It is
	// asked again where a token is not the one that it chose.
	Ahead int

	requests map[string]*promptRequest
	asked    atomic.Int64 // how often the engine was
}

// promptRequest is its tokens, and rows of logits that the engine gave ahead of them; the
// first was handed on last.
type promptRequest struct {
	tokens []int
	rows   [][]float32
}

// Load implements Driver.
func (d *Prompts) Load(ctx context.Context, path string, format Format, _ int) error {
	d.requests = map[string]*promptRequest{}
	return d.Completer.Load(ctx, path, format)
}

// Version implements Versioner, where the Completer does.
func (d *Prompts) Version() string {
	if v, ok := d.Completer.(Versioner); ok {
		return v.Version()
	}
	return ""
}

// Requests implements Requester: how often the engine was asked to complete a prompt.
func (d *Prompts) Requests() int { return int(d.asked.Load()) }

// Forward implements Driver: the requests of a batch are sent at the same time.
func (d *Prompts) Forward(ctx context.Context, chunks []Chunk, all bool) ([][]float32, error) {
	if all {
		return nil, fmt.Errorf("%w: the server gives logits of the last token alone", impls.ErrRefused)
	}
	rows, errs := make([][]float32, len(chunks)), make([]error, len(chunks))
	var wait sync.WaitGroup
	for i, c := range chunks {
		if c.New {
			d.requests[c.Request] = &promptRequest{}
		}
		r := d.requests[c.Request]
		wait.Go(func() { rows[i], errs[i] = d.next(ctx, r, c.Tokens) })
	}
	wait.Wait()
	return rows, errors.Join(errs...)
}

// next gives a request tokens.
func (d *Prompts) next(ctx context.Context, r *promptRequest, tokens []int) (_ []float32, err error) {
	r.tokens = append(r.tokens, tokens...)
	if len(tokens) == 1 && len(r.rows) > 1 && tokens[0] == Greedy(r.rows[0]) {
		r.rows = r.rows[1:]
		return r.rows[0], nil
	}
	d.asked.Add(1)
	if r.rows, err = d.Complete(ctx, r.tokens, max(1, d.Ahead)); err != nil {
		return nil, err
	}
	if len(r.rows) == 0 {
		return nil, errors.New("the engine decoded no token")
	}
	return r.rows[0], nil
}

// Greedy is the id of the largest logit, the first of equal ones, which greedy decoding
// takes; -1 where one is NaN, or there are none.
func Greedy(logits []float32) int {
	if len(logits) == 0 {
		return -1
	}
	return slices.Index(logits, slices.Max(logits))
}

// Crop implements Driver.
func (d *Prompts) Crop(_ context.Context, name string, length int) error {
	d.requests[name] = &promptRequest{tokens: d.requests[name].tokens[:length:length]}
	return nil
}

// Fork implements Driver.
func (d *Prompts) Fork(_ context.Context, name, as string) error {
	d.requests[as] = &promptRequest{tokens: slices.Clone(d.requests[name].tokens)}
	return nil
}

// Drop implements Driver.
func (d *Prompts) Drop(_ context.Context, names ...string) error {
	for _, name := range names {
		delete(d.requests, name)
	}
	return nil
}
