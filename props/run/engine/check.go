package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

// Check asks the engine of a worker everything that the protocol has and its hello
// offers, once for each of its element types and architectures, and returns the first
// reply that the protocol does not allow. Of the logits it asks that they can be read,
// and that the token to be decoded is the next one; which tokens are seen is not judged.
// say is called with what was found.
func Check(ctx context.Context, client *worker.Client, say func(string)) error {
	h, err := client.Hello(ctx)
	if err != nil {
		return err
	}
	if h.Model == nil {
		return fmt.Errorf("the worker %s has no engine", h.Name)
	}
	m := h.Model
	say(fmt.Sprintf("hello: %s %s on %s, a model, dtypes %v, formats %v, archs %v, crop %t, fork %t, chunks %t, join %t, padding %t, all %t, max_requests %d, max_context %d",
		h.Name, h.Version, h.Device, h.DTypes, m.Formats, m.Archs, m.Crop, m.Fork, m.Chunks, m.Join, m.Padding, m.All, m.MaxRequests, m.MaxContext))
	b, err := NewWorker(ctx, client, Choice{Kinds: []string{engine.Visible}})
	if err != nil {
		return err
	}
	window := 4
	if m.MaxWindow > 0 {
		window = min(max(window, m.MinWindow), m.MaxWindow)
	}
	for _, d := range b.o.Models.DTypes {
		for _, arch := range b.o.Models.Archs {
			c := &checker{b: b, h: m, what: fmt.Sprintf("%s %s", d, arch), say: say}
			point := corpus.WindowModel{Window: window, Model: corpus.Model{Arch: arch, Kind: engine.Visible, Layers: 2, Heads: 4, KVHeads: 2, Dim: 64, DType: d, Seed: 1}}
			if m.Logits > 0 {
				point.Layers, point.Heads, point.KVHeads = 1, 1, 1
			}
			if err := c.all(ctx, point); err != nil {
				return err
			}
		}
	}
	if err := client.Close(ctx); err != nil {
		return err
	}
	say("bye: exit status 0")
	return nil
}

// checker asks for one checkpoint.
type checker struct {
	b    *Backend
	h    *worker.ModelHello
	what string
	say  func(string)
}

// all meets every request that the engine offers.
func (c *checker) all(ctx context.Context, m corpus.WindowModel) error {
	if err := c.answer("load", c.b.load(ctx, m)); err != nil {
		return err
	}
	w := m.Window
	prompt := tokensFrom(0, 2*w+1)
	steps := []func() error{
		func() error {
			return c.forward(ctx, "a prompt", false, judge.Tokens{Request: "a", Tokens: prompt, New: true})
		},
		func() error {
			return c.forward(ctx, "a decode", false, judge.Tokens{Request: "a", Tokens: tokensFrom(2*w+1, 1)})
		},
	}
	add := func(offered bool, step func() error) {
		if offered {
			steps = append(steps, step)
		}
	}
	add(c.h.Chunks, func() error {
		return c.forward(ctx, "a chunk", false, judge.Tokens{Request: "a", Tokens: tokensFrom(2*w+2, w)})
	})
	add(c.h.All, func() error {
		return c.forward(ctx, "all logits of a prompt", true, judge.Tokens{Request: "b", Tokens: prompt, New: true})
	})
	add(c.h.Crop, func() error { return c.may("crop", c.b.driver.Crop(ctx, "a", w)) })
	add(c.h.Fork, func() error {
		return c.answer("fork", c.b.driver.Fork(ctx, "a", "f"))
	})
	add(c.h.MaxRequests != 1, func() error {
		return c.forward(ctx, "a batch of two prompts", false, judge.Tokens{Request: "c", Tokens: prompt, New: true}, judge.Tokens{Request: "d", Tokens: tokensFrom(20, len(prompt)), New: true})
	})
	add(c.h.MaxRequests != 1 && c.h.Join, func() error {
		return c.forward(ctx, "a decode beside a prompt", false, judge.Tokens{Request: "c", Tokens: tokensFrom(2*w+1, 1)}, judge.Tokens{Request: "e", Tokens: tokensFrom(5, 3), New: true})
	})
	add(c.h.Padding, func() error {
		padded := append(slices.Repeat([]int{toModel(m).Padding()}, 3), tokensFrom(0, 2)...)
		return c.forward(ctx, "a prompt behind padding", false, judge.Tokens{Request: "p", Tokens: padded, Pad: 3, New: true})
	})
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	var open []string
	for name := range c.b.openRequests {
		open = append(open, name)
	}
	slices.Sort(open)
	clear(c.b.openRequests)
	return c.answer("drop "+strings.Join(open, ","), c.b.driver.Drop(ctx, open...))
}

func tokensFrom(first, n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = first + i
	}
	return all
}

// answer reports a request that failed and must not.
func (c *checker) answer(what string, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %s: %w", c.what, what, err)
	}
	c.say(c.what + ": " + what + ": ok")
	return nil
}

// may is answer where the engine may refuse.
func (c *checker) may(what string, err error) error {
	if errors.Is(err, impls.ErrRefused) {
		c.say(fmt.Sprintf("%s: %s: refused: %v", c.what, what, err))
		return nil
	}
	return c.answer(what, err)
}

// forward asks for logits that can be read and, of the last token of each request, give
// the token after it.
func (c *checker) forward(ctx context.Context, what string, all bool, batch ...judge.Tokens) error {
	chunks, rows := make([]engine.Chunk, len(batch)), 0
	for i, t := range batch {
		chunks[i] = engine.Chunk(t)
		c.b.openRequests[t.Request] = true
		rows += len(t.Tokens)
	}
	if !all {
		rows = len(batch)
	}
	logits, err := c.b.driver.Forward(ctx, chunks, all)
	if err != nil {
		return c.answer(what, err)
	}
	if len(logits) != rows {
		return c.answer(what, fmt.Errorf("%d rows of logits; want %d", len(logits), rows))
	}
	at := 0
	for _, t := range batch {
		if all {
			at += len(t.Tokens) - 1
		}
		if got := c.b.probe.Read(logits[at], c.h.Logits > 0); got.Err != nil {
			return c.answer(what, fmt.Errorf("request %s: %w", t.Request, got.Err))
		}
		identities := c.b.probe.Checkpoint().Identities
		want := (t.Tokens[len(t.Tokens)-1] + 1) % identities
		best := engine.Greedy(logits[at][:identities])
		if best != want {
			return c.answer(what, fmt.Errorf("request %s: the logits after token %d give %d, want %d: were the weights loaded as they are?", t.Request, t.Tokens[len(t.Tokens)-1], best, want))
		}
		at++
	}
	return c.answer(what, nil)
}
