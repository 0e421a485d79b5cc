package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/engine/reference"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// ReferenceName is the name of the reference engine; with a colon and the name of a
// fault it is the engine with that fault.
const ReferenceName = "reference"

// NewReference is the backend of the reference engine with a fault, "" for none.
func NewReference(fault string, models Choice) (*Backend, error) {
	options := reference.Options{Fault: fault}
	driver, err := reference.New(options)
	if err != nil {
		return nil, err
	}
	name := ReferenceName
	if fault != "" {
		name += ":" + fault
	}
	return New(driver, Options{
		Name: name, All: true, Quick: true, Models: models,
		Can: corpus.EngineCan{Crop: true, Fork: true, Chunks: true, Join: true, Padding: true},
		Another: func() (engine.Driver, func()) {
			another, err := reference.New(options)
			if err != nil {
				panic(err) // there is one of these options already
			}
			return another, func() {}
		},
	})
}

// References is the backend of the reference engine with each of its faults, by the
// target of a case.
type References struct {
	// Named: the user has named this engine, so that a case of another contradicts that.
	Named bool
	made  map[window.Target]*Backend
}

// of is the backend of a target, which is made once.
func (r *References) of(t window.Target) (*Backend, error) {
	if b := r.made[t]; b != nil {
		return b, nil
	}
	name, fault, _ := strings.Cut(t.Update, ":")
	switch {
	case name != ReferenceName && r.Named:
		return nil, fmt.Errorf("%s is another engine than that of --engine %s: leave that out, and name what the case needs", t, ReferenceName)
	case name != ReferenceName:
		return nil, Unnamed(t)
	}
	b, err := NewReference(fault, Choice{})
	if err != nil {
		return nil, err
	}
	if r.made == nil {
		r.made = map[window.Target]*Backend{}
	}
	r.made[t] = b
	return b, nil
}

// Run implements run.Backend.
func (r *References) Run(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	return run.Each(ctx, cases, func(ctx context.Context, c *corpus.Case) (*corpus.Divergence, error) {
		b, err := r.of(c.Target)
		if err != nil {
			return nil, err
		}
		return b.one(ctx, c)
	})
}

// Traits implements run.Backend.
func (r *References) Traits(window.Target) run.Traits { return run.Traits{Foreign: true, Quick: true} }

// Takes implements run.Fitter.
func (r *References) Takes(c *corpus.Case) bool {
	b, err := r.of(c.Target)
	return err == nil && b.Takes(c)
}

// Fit implements run.Fitter: nothing is drawn here.
func (r *References) Fit(*corpus.Case) {}

// Sample implements run.Sampler.
func (r *References) Sample(ctx context.Context, c *corpus.Case, n int) (run.Sampled, error) {
	b, err := r.of(c.Target)
	if err != nil {
		return run.Sampled{}, err
	}
	return b.Sample(ctx, c, n)
}

// Unnamed refuses a case of an engine that nobody has named, and says how to name it.
func Unnamed(t window.Target) error {
	e := &run.UnnamedError{Target: t}
	if name, _, _ := strings.Cut(t.Update, ":"); name == ReferenceName {
		e.Flags = "--engine " + ReferenceName
	}
	for name, server := range map[string]string{LlamaCppName: "llama-server --parallel 1", OllamaName: "ollama serve", OllamaOneLess: "ollama serve"} {
		if t == window.EngineTarget(name) {
			e.Flags = fmt.Sprintf("--engine %s --exec '%s'", name, server)
		}
	}
	return e
}
