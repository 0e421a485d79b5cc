package reference

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// Options is what an engine is made with. The zero value is a sound engine.
type Options struct {
	// Fault is one that Faults lists, "" for a sound engine.
	Fault string
	// Attention is how attention is computed, AllScores if it is "".
	Attention Attention
	// Cache is what lies under the sliding layers, as a case's target says it: go/NAME
	// or UPDATE/LOWERING/sim or host. "" is go/beams, Together.
	Cache string
	// Together puts all requests into one cache, as the entries of its batch. Else each
	// request has a cache for itself.
	Together bool
	// Order is that of the blocks of a cache that runs programs.
	Order inplace.Schedule
}

// defaultCache can do all that requests of one batch ask for.
const defaultCache = "go/beams"

// Engine is the reference engine: an engine.Driver, and an engine.Explainer. Crops and
// forks that the caches refuse are done by computing the tokens anew, so that none is
// refused.
type Engine struct {
	options  Options
	kind     *kind
	plant    hooks
	models   map[string]kept // by path
	decoder  *decoder
	stores   []store // by layer
	requests map[string]*request
	order    []*request // as they came
	names    map[rowName]engine.Token
	parts    []part             // of the forward under way
	asked    []bool             // of its tokens, those that are computed in the layer under way
	views    map[viewName]*view // of the last forward
}

var (
	_ engine.Driver    = (*Engine)(nil)
	_ engine.Explainer = (*Engine)(nil)
)

// New makes an engine without a checkpoint. An error names an option that there is not.
func New(o Options) (*Engine, error) {
	e := &Engine{options: o, models: map[string]kept{}}
	if o.Fault != "" {
		f, ok := lookup(o.Fault)
		if !ok {
			return nil, fmt.Errorf("no fault of the reference engine is called %q; want one of %v", o.Fault, faultNames())
		}
		if f.plant != nil {
			e.plant = f.plant()
		}
		if f.under.Cache != "" {
			o.Cache, o.Together, o.Order = f.under.Cache, f.under.Together, f.under.Order
		}
	}
	if o.Cache == "" {
		o.Cache, o.Together = defaultCache, true
	}
	if o.Attention == "" {
		o.Attention = AllScores
	}
	k, err := newKind(o.Cache, o.Order)
	e.options, e.kind = o, k
	return e, errors.Join(err, o.Attention.Check())
}

// Load implements engine.Driver. It reads Hugging Face folders alone.
func (e *Engine) Load(_ context.Context, path string, format engine.Format, window int) error {
	if format != engine.HF {
		return fmt.Errorf("the reference engine reads %s alone, not %s", engine.HF, format)
	}
	m, err := e.model(path)
	if err != nil {
		return err
	}
	if window != 0 && m.window != 0 && window != m.window {
		return fmt.Errorf("%s has a window of %d, not %d", path, m.window, window)
	}
	e.decoder = newDecoder(m, e.options.Attention)
	return e.forget()
}

// kept is a model that was loaded, and what its file was then.
type kept struct {
	model *model
	file  os.FileInfo
}

// mostKept bounds the models that are kept: a hunt goes back and forth between a
// handful, and loads one anew after each case that was wrong.
const mostKept = 16

// model loads a model, unless it has it and its file is as it was.
func (e *Engine) model(path string) (*model, error) {
	file, err := os.Stat(filepath.Join(path, weightsFile))
	if err != nil {
		return nil, err
	}
	if k, ok := e.models[path]; ok && os.SameFile(k.file, file) && k.file.ModTime().Equal(file.ModTime()) && k.file.Size() == file.Size() {
		return k.model, nil
	}
	m, err := load(path)
	if err != nil {
		return nil, err
	}
	if len(e.models) >= mostKept {
		clear(e.models)
	}
	e.models[path] = kept{m, file}
	return m, nil
}

// forget drops all requests.
func (e *Engine) forget() error {
	e.requests, e.order, e.names, e.views = map[string]*request{}, nil, map[rowName]engine.Token{}, nil
	e.stores = nil
	c := e.decoder.config
	shape := impls.Shape{Batch: 1, Heads: c.kvHeads, Dim: c.headDim, DType: c.dtype}
	for i := range c.layers {
		s := shape
		if s.Window = e.window(i); s.Window == 0 {
			s.Window = impls.MaxExtent
			e.stores = append(e.stores, newEach(i, fullKind, s))
			continue
		}
		if !e.options.Together {
			if _, err := e.kind.make(s); err != nil { // else the first request would say it
				return err
			}
			e.stores = append(e.stores, newEach(i, e.kind, s))
			continue
		}
		t, err := newTogether(i, e.kind, s)
		if err != nil {
			return err
		}
		e.stores = append(e.stores, t)
	}
	return nil
}

// Forward implements engine.Driver.
func (e *Engine) Forward(ctx context.Context, chunks []engine.Chunk, all bool) ([][]float32, error) {
	if err := e.check(chunks); err != nil {
		return nil, err
	}
	var tokens []int
	var parts []part
	for _, c := range chunks {
		r := e.requests[c.Request]
		if c.New {
			r = &request{name: c.Request, pad: c.Pad}
			if err := e.begin(r); err != nil {
				return nil, err
			}
		}
		p := part{request: r, n: len(c.Tokens), first: len(r.tokens), at: len(tokens)}
		if !all {
			p.ask = p.n - 1
		}
		parts = append(parts, p)
		tokens = append(tokens, c.Tokens...)
	}
	e.views = map[viewName]*view{}
	if err := e.forward(ctx, tokens, parts); err != nil {
		return nil, err
	}
	var rows [][]float32
	for i, p := range parts {
		p.request.tokens = append(p.request.tokens, chunks[i].Tokens...)
		for i := p.ask; i < p.n; i++ {
			rows = append(rows, e.decoder.logits(p.at+i))
		}
	}
	return rows, nil
}

// check refuses chunks before anything is changed.
func (e *Engine) check(chunks []engine.Chunk) error {
	if e.decoder == nil {
		return errors.New("no checkpoint is loaded")
	}
	seen := map[string]bool{}
	for _, c := range chunks {
		_, there := e.requests[c.Request]
		switch {
		case seen[c.Request]:
			return refuse("forward", "request %s twice", c.Request)
		case len(c.Tokens) == 0:
			return refuse("forward", "no tokens for request %s", c.Request)
		case c.New && there:
			return refuse("forward", "request %s is there already", c.Request)
		case !c.New && !there:
			return refuse("forward", "no request is called %s", c.Request)
		case c.Pad < 0 || c.Pad > len(c.Tokens) || c.Pad > 0 && !c.New:
			return refuse("forward", "%d of %d tokens of request %s are padding: it comes first in a new request", c.Pad, len(c.Tokens), c.Request)
		case slices.Min(c.Tokens) < 0 || slices.Max(c.Tokens) >= e.decoder.vocabulary:
			return refuse("forward", "tokens %v of request %s: want 0 to %d", c.Tokens, c.Request, e.decoder.vocabulary-1)
		}
		seen[c.Request] = true
	}
	return nil
}

func refuse(op, format string, args ...any) error {
	return &impls.RefusedError{Op: op, Reason: fmt.Sprintf(format, args...)}
}

// begin makes room for a request in every layer.
func (e *Engine) begin(r *request) error {
	for _, s := range e.stores {
		if err := s.begin(r); err != nil {
			return err
		}
	}
	e.requests[r.name] = r
	e.order = append(e.order, r)
	return nil
}

// Crop implements engine.Driver.
func (e *Engine) Crop(ctx context.Context, name string, length int) error {
	r, ok := e.requests[name]
	switch {
	case !ok:
		return refuse("crop", "no request is called %s", name)
	case length < 1 || length > len(r.tokens):
		return refuse("crop", "request %s to %d of %d tokens", name, length, len(r.tokens))
	}
	refused := false
	for _, s := range e.stores {
		refused = s.crop(r, length) != nil || refused
	}
	tokens := r.tokens[:length]
	if !refused {
		r.tokens = tokens
		return nil
	}
	return e.recompute(ctx, r, tokens)
}

// recompute gives a request these tokens anew: a window no longer holds what they need.
func (e *Engine) recompute(ctx context.Context, r *request, tokens []int) error {
	for _, s := range e.stores {
		if err := s.begin(r); err != nil {
			return err
		}
	}
	r.tokens = nil
	if err := e.forward(ctx, tokens, []part{{request: r, n: len(tokens), ask: len(tokens)}}); err != nil {
		return err
	}
	r.tokens = slices.Clone(tokens)
	return nil
}

// Fork implements engine.Driver.
func (e *Engine) Fork(ctx context.Context, name, as string) error {
	r, ok := e.requests[name]
	if !ok {
		return refuse("fork", "no request is called %s", name)
	}
	if _, there := e.requests[as]; there || as == name {
		return refuse("fork", "request %s is there already", as)
	}
	f := &request{name: as, tokens: slices.Clone(r.tokens), pad: r.pad}
	anew := false
	for layer, s := range e.stores {
		err := e.fork(layer, s, r, f)
		if err != nil && !errors.Is(err, errNoFork) {
			return err
		}
		anew = anew || err != nil
	}
	e.requests[as] = f
	e.order = append(e.order, f)
	if anew {
		return e.recompute(ctx, f, f.tokens)
	}
	return nil
}

func (e *Engine) fork(layer int, s store, r, f *request) error {
	if e.plant.fork != nil {
		r = e.plant.fork(e, layer, r)
	}
	return s.fork(r, f)
}

// Drop implements engine.Driver.
func (e *Engine) Drop(_ context.Context, names ...string) error {
	var gone []*request
	for i, name := range names {
		r, ok := e.requests[name]
		if !ok || slices.Contains(names[:i], name) {
			return refuse("drop", "no request is called %s", name)
		}
		gone = append(gone, r)
	}
	for layer, s := range e.stores {
		if e.plant.drop != nil && e.plant.drop(e, layer, gone) {
			continue
		}
		if err := s.drop(gone); err != nil {
			return err
		}
	}
	e.order = slices.DeleteFunc(e.order, func(r *request) bool { return slices.Contains(gone, r) })
	for _, r := range gone {
		delete(e.requests, r.name)
	}
	if len(e.order) == 0 {
		clear(e.names) // what is named anew tomorrow has no namesake of today
	}
	return nil
}
