package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// Options is what is known of an engine.
type Options struct {
	// Name is that of the target: engine/NAME.
	Name string
	Can  corpus.EngineCan
	// All: the engine gives the logits of each token of a forward.
	All bool
	// Quick: the engine is in this process, and a case takes milliseconds.
	Quick bool
	// Fresh: the engine keeps prompts of requests that have ended. Each case loads its
	// checkpoint anew, or what it shows would depend on the cases before it.
	Fresh bool
	// Format is how it takes checkpoints, HF if it is "".
	Format engine.Format
	// Models are the checkpoints that a hunt draws from.
	Models Choice
	// Folder is where checkpoints are kept, "" for Folder's.
	Folder string
	// Another makes another engine that answers as this one does, for cases that run at
	// once, and end ends it; nil where there is but one.
	Another func() (driver engine.Driver, end func())
}

// Backend runs cases on one engine. It is not for use by two goroutines at once.
type Backend struct {
	o      Options
	driver *meter
	judge  *judge.EngineJudge

	loaded corpus.WindowModel
	probe  probe // of the loaded checkpoint, nil without
	paths  map[corpus.WindowModel]string

	failed       *worker.ProcessError // what ended the engine instead of an answer
	hash         uint64               // of the logits of the case under way
	decoded      []int                // the ids that greedy decoding takes from them
	makeProbe    func(corpus.WindowModel) (probe, error)
	openRequests map[string]bool
}

// New is the backend of an engine.
func New(driver engine.Driver, o Options) (*Backend, error) {
	if _, err := o.Models.list(); err != nil {
		return nil, err
	}
	return newBackend(driver, o), nil
}

func newBackend(driver engine.Driver, o Options) *Backend {
	b := &Backend{o: o, driver: &meter{Driver: driver}, judge: judge.NewEngine(), paths: map[corpus.WindowModel]string{}, makeProbe: modelProbe, openRequests: map[string]bool{}}
	b.o.Format = cmp.Or(o.Format, engine.HF)
	b.judge.All = o.All
	return b
}

// Target is what a hunt in the engine hunts in.
func (b *Backend) Target() window.Target { return window.EngineTarget(b.o.Name) }

// Version is that of the engine, "" where its driver does not know it.
func (b *Backend) Version() string {
	if v, ok := b.driver.Driver.(engine.Versioner); ok {
		return v.Version()
	}
	return ""
}

// Traits implements run.Backend.
func (b *Backend) Traits(window.Target) run.Traits {
	return run.Traits{Foreign: true, Quick: b.o.Quick, Together: b.inRow()}
}

// Draws implements run.Drawer.
func (b *Backend) Draws(t window.Target, seed uint64) func() *corpus.Case {
	models, err := b.o.Models.list()
	if err != nil {
		panic(err) // New has said so
	}
	d := &corpus.EngineDrawer{Can: b.o.Can, Models: models, InRow: b.inRow(), Identities: func(m corpus.WindowModel) int { return toModel(m).Identities() }, Room: b.o.Models.room}
	return d.Cases(t, seed)
}

// inRow is how many cases in a row have the same checkpoint: few where loading one again
// takes no longer than a case. Then the first cases have all architectures.
func (b *Backend) inRow() int {
	if b.o.Quick {
		return 5
	}
	return 25
}

// Fit implements run.Fitter: what Draws draws can be asked.
func (b *Backend) Fit(*corpus.Case) {}

// Takes implements run.Fitter.
func (b *Backend) Takes(c *corpus.Case) bool {
	m := modelOf(c)
	return b.o.Can.Within(b.o.Models.room(m)).Takes(c) && b.o.Models.takes(m) && toModel(m).Check() == nil
}

// Counts implements run.Counter.
func (b *Backend) Counts() map[string]judge.Count {
	all := map[string]judge.Count{}
	for name, n := range b.judge.Done {
		all[name] = n
	}
	return all
}

// Steps implements run.Stepper.
func (b *Backend) Steps() judge.EngineCounts {
	n := b.judge.EngineCounts
	b.judge.EngineCounts = judge.EngineCounts{}
	n.Requests, n.Waited = b.driver.take()
	return n
}

// Run implements run.Backend.
func (b *Backend) Run(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	return run.Each(ctx, cases, b.one)
}

// Sample implements run.Sampler: it counts how many different logits the runs gave that
// diverged, and the runs that agreed as far as too few steps could say.
func (b *Backend) Sample(ctx context.Context, c *corpus.Case, n int) (s run.Sampled, err error) {
	hashes := map[uint64]bool{}
	for len(s.Each) < n {
		before := b.judge.EngineCounts
		d, err := b.one(ctx, c)
		switch {
		case ctx.Err() != nil:
			return s, nil // that run was cut short
		case err != nil:
			return s, err
		}
		s.Each = append(s.Each, d)
		after := b.judge.EngineCounts
		switch {
		case d != nil:
			hashes[b.hash] = true
		case judge.EngineCounts{Steps: after.Steps - before.Steps, Undecided: after.Undecided - before.Undecided}.TooUndecided():
			s.Undecided++
		}
	}
	s.Different = len(hashes)
	return s, nil
}

// one runs a case.
func (b *Backend) one(ctx context.Context, c *corpus.Case) (*corpus.Divergence, error) {
	b.failed, b.hash, b.decoded = nil, hashStart, nil
	if err := b.load(ctx, modelOf(c)); err != nil {
		if d := b.notLoaded(err); d != nil && ctx.Err() == nil {
			return d, nil
		}
		return nil, notStarted(err)
	}
	d, err := b.judge.Case(ctx, c, b.probe.Checkpoint(), subject{b})
	if err != nil || b.failed != nil || d != nil || b.o.Fresh {
		// After a fault nobody knows what it holds.
		b.forget()
	}
	if err == nil {
		b.end(ctx)
	}
	return d, err
}

// forget has the next case load its checkpoint anew.
func (b *Backend) forget() {
	b.probe = nil
	clear(b.openRequests)
}

// end ends the requests that a case left.
func (b *Backend) end(ctx context.Context) {
	var left []string
	for name := range b.openRequests {
		left = append(left, name)
	}
	slices.Sort(left)
	if len(left) == 0 {
		return
	}
	if err := b.driver.Drop(ctx, left...); err != nil {
		b.forget()
	}
	clear(b.openRequests)
}

// load has the engine load a checkpoint, unless it has.
func (b *Backend) load(ctx context.Context, m corpus.WindowModel) error {
	if b.probe != nil && b.loaded == m {
		return nil
	}
	b.forget()
	p, err := b.makeProbe(m)
	if err != nil {
		return err
	}
	path, ok := b.paths[m]
	if !ok {
		if path, err = p.Write(ctx, b.o.Folder, b.o.Format); err != nil {
			return fmt.Errorf("writing the checkpoint: %w", err)
		}
		b.paths[m] = path
	}
	if err := b.driver.Load(ctx, path, b.o.Format, m.Window); err != nil {
		return fmt.Errorf("loading %s: %w", path, err)
	}
	b.loaded, b.probe = m, p
	return nil
}

// notLoaded is the divergence of an engine that failed or refused to load, nil where the
// error is another's.
func (b *Backend) notLoaded(err error) *corpus.Divergence {
	d := &corpus.Divergence{Op: 1, OpKind: "load", Tensor: "-", Detail: err.Error()}
	var ended *worker.ProcessError
	switch {
	case errors.As(err, &ended):
		d.Fault = faultOf(ended)
	case errors.Is(err, impls.ErrRefused):
		d.Fault = corpus.FaultRefused
	default:
		return nil
	}
	return d
}

// notStarted makes the error of an engine that does not start known as one.
func notStarted(err error) error {
	var driver *worker.StartError
	var server *engine.NotStartedError
	if errors.As(err, &driver) || errors.As(err, &server) {
		return &run.NotStartedError{Err: err}
	}
	return err
}

func faultOf(e *worker.ProcessError) corpus.Fault {
	switch e.Kind {
	case worker.Hang:
		return corpus.FaultHang
	case worker.Nonsense:
		return corpus.FaultProtocol
	}
	return corpus.FaultCrash
}

// subject is the engine as the judge asks it.
type subject struct{ b *Backend }

func (s subject) Forward(ctx context.Context, batch []judge.Tokens, all bool) ([]judge.Reading, error) {
	chunks := make([]engine.Chunk, len(batch))
	for i, t := range batch {
		chunks[i] = engine.Chunk{Request: t.Request, Tokens: t.Tokens, Pad: t.Pad, New: t.New}
		s.b.openRequests[t.Request] = true
	}
	rows, err := s.b.driver.Forward(ctx, chunks, all)
	if err != nil {
		return nil, s.noted(err)
	}
	readings := make([]judge.Reading, len(rows))
	for i, row := range rows {
		s.b.hash = hashRow(s.b.hash, row)
		s.b.decoded = append(s.b.decoded, engine.Greedy(row))
		readings[i] = s.b.probe.Read(row, s.b.o.Models.Logits > 0)
	}
	return readings, nil
}

func (s subject) Crop(ctx context.Context, request string, length int) error {
	return s.noted(s.b.driver.Crop(ctx, request, length))
}

func (s subject) Fork(ctx context.Context, request, as string) error {
	err := s.noted(s.b.driver.Fork(ctx, request, as))
	if err == nil {
		s.b.openRequests[as] = true
	}
	return err
}

func (s subject) Drop(ctx context.Context, request string) error {
	delete(s.b.openRequests, request)
	return s.noted(s.b.driver.Drop(ctx, request))
}

// Explain implements judge.EngineExplainer.
func (s subject) Explain(request string, position, layer int) *corpus.Under {
	e, ok := s.b.driver.Driver.(engine.Explainer)
	if !ok {
		return nil
	}
	x, err := e.Explain(request, position, layer)
	if err != nil {
		return nil
	}
	return &corpus.Under{Rows: x.String(), Cache: x.Cache}
}

// noted remembers an error that says that the engine is gone.
func (s subject) noted(err error) error {
	var ended *worker.ProcessError
	if errors.As(err, &ended) {
		s.b.failed = ended
	}
	return err
}

func (s subject) Failed() (corpus.Fault, string) {
	if e := s.b.failed; e != nil {
		return faultOf(e), strings.TrimSpace(e.Detail)
	}
	return "", ""
}
