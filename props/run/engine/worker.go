package engine

import (
	"context"
	"fmt"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// NewWorker is the backend of the engine of a worker, which is started if it does not
// run. models is what a hunt draws from, of what the engine takes.
func NewWorker(ctx context.Context, client *worker.Client, models Choice) (*Backend, error) {
	h, err := client.Hello(ctx)
	if err != nil {
		return nil, err
	}
	if h.Model == nil {
		return nil, fmt.Errorf("the worker %s has a cache and no engine: its hello lacks the capability model", h.Name)
	}
	m := h.Model
	format := engine.HF
	if m.Formats[0] != string(engine.HF) {
		format = engine.GGUF
	}
	if err := models.restrict(h); err != nil {
		return nil, err
	}
	return New(engine.Worker{Client: client}, Options{
		Name: h.Name, All: m.All, Format: format, Models: models,
		Can: corpus.EngineCan{Crop: m.Crop, Fork: m.Fork, Chunks: m.Chunks, Join: m.Join, Padding: m.Padding, MaxRequests: m.MaxRequests, MaxContext: m.MaxContext},
		Another: func() (engine.Driver, func()) {
			c := client.Another()
			return engine.Worker{Client: c}, c.Kill
		},
	})
}

// restrict leaves out what the engine of a worker does not take.
func (c *Choice) restrict(h *worker.Hello) (err error) {
	archs := h.Model.Archs
	if len(archs) == 0 {
		archs = corpus.Archs()
	}
	if c.Archs, err = both("arch", c.Archs, archs); err != nil {
		return err
	}
	var dtypes []impls.DType
	for _, d := range h.DTypes {
		if d == impls.F32 || d == impls.F16 || d == impls.BF16 {
			dtypes = append(dtypes, d)
		}
	}
	if c.DTypes, err = both("dtype", c.DTypes, dtypes); err != nil {
		return err
	}
	c.MinWindow, c.MaxWindow, c.Logits = h.Model.MinWindow, h.Model.MaxWindow, h.Model.Logits
	return nil
}

// both is what two lists have in common; no asked is all that there is.
func both[T comparable](what string, asked, there []T) ([]T, error) {
	if len(asked) == 0 {
		asked = there
	}
	var common []T
	for _, a := range asked {
		for _, t := range there {
			if a == t {
				common = append(common, a)
			}
		}
	}
	if len(common) == 0 {
		return nil, fmt.Errorf("--%s: the engine takes %v alone", what, there)
	}
	return common, nil
}
