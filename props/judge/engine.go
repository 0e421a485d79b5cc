package judge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// Role is what a head of a probe checkpoint is for.
type Role uint8

// The roles.
const (
	Uniform  Role = iota // attends to all that it sees alike: the tokens seen, and how often
	Balanced             // the same, as long as their keys are whole
	Lookup               // attends to the identity Offset below, which it knows by its key
	Distance             // attends to the token Offset before, which it knows by its position
)

// Attention is what one head attended to.
type Attention struct {
	Role   Role
	Offset int       // of Lookup and Distance, in tokens
	Shares []float64 // by identity: the part of the attention that went to its tokens
	// Padding and Other are the parts that went to padding and to what is no identity.
	// With Shares they add up to 1.
	Padding, Other float64
	// Empty is the part of the attention, besides those, that rows without a token got.
	Empty float64
	// Crowded: the engine gave its largest logits alone, all of tokens that were seen. A
	// token whose share is 0 may have been seen too.
	Crowded bool
}

// Reading is what a row of logits says: what its query attended to, by layer and query
// head; or why it says nothing.
type Reading struct {
	Heads [][]Attention
	Err   error
}

// Tokens is what a request gets in one forward: ids of the checkpoint.
type Tokens struct {
	Request string
	Tokens  []int // padding first
	Pad     int   // how many are padding
	New     bool  // the request begins
}

// EngineSubject is the engine under test as the judge asks it, with the checkpoint of
// the case loaded and no requests. An error that is impls.ErrRefused is a refusal.
type EngineSubject interface {
	// Forward gives requests tokens, and reads the logits of the last token of each, or
	// with all of each token, padding included.
	Forward(ctx context.Context, batch []Tokens, all bool) ([]Reading, error)
	// Crop keeps the first tokens of a request, padding counted.
	Crop(ctx context.Context, request string, length int) error
	Fork(ctx context.Context, request, as string) error
	Drop(ctx context.Context, request string) error
	// Failed is what ended the engine instead of an answer to the last call.
	Failed() (f corpus.Fault, detail string)
}

// EngineExplainer is an EngineSubject that may know its caches. Explain says what the query
// of a request at a position, padding counted, attended to in a layer in the last
// Forward; nil where that is not known.
type EngineExplainer interface {
	Explain(request string, position, layer int) *corpus.Under
}

// Checkpoint is what the judge must know of the checkpoint that is loaded.
type Checkpoint struct {
	Identities int    // ids below that name tokens; greedy decoding of each gives the next
	Padding    int    // the id of padding
	Sliding    []bool // by layer: whether it has the window of the case
}

// EngineCounts is what a judge has come to so far, and what its engine was asked for it.
type EngineCounts struct {
	Steps     int // forwards whose logits were judged
	Undecided int // those of them that are not near enough to whole numbers to say
	// Worst is how far from a whole number the counts were that were found right.
	Worst float64
	// Requests is the messages to the engine. Running is how long the cases ran, those that
	// ran at once added up, and Waited the part of it in which the engine or its driver
	// worked, loading included: the rest is ours.
	Requests        int
	Running, Waited time.Duration
}

// mostUndecided is the share of steps that may be undecided: of more nobody can say that
// the engine is right.
const mostUndecided = 0.01

// TooUndecided reports whether so many steps are undecided that nothing can be said.
func (n EngineCounts) TooUndecided() bool {
	return float64(n.Undecided) > mostUndecided*float64(n.Steps)
}

// EngineMargin is how far from a whole number a count may be that is judged.
const EngineMargin = margin

// Counted reports whether counts were near enough to whole numbers to be judged: no step
// was undecided, and all were within EngineMargin.
func (n EngineCounts) Counted() bool { return n.Undecided == 0 && n.Worst < EngineMargin }

// EngineJudge judges what engines do with the cases that they are asked. It is not for
// use by two goroutines at once.
type EngineJudge struct {
	EngineCounts
	// All asks for the logits of each token of a forward of few tokens.
	All bool
	// Done counts the operations, by name.
	Done map[string]Count

	c       *corpus.Case
	point   Checkpoint
	explain func(request string, position, layer int) *corpus.Under // nil where nobody can
	state   engineState
	given   [][]Tokens // what each forward of the case gave
}

// maxAll bounds the tokens of a forward of which all logits are asked for: a row has
// some thousand.
const maxAll = 256

// NewEngine makes a judge of engines.
func NewEngine() *EngineJudge { return &EngineJudge{Done: map[string]Count{}} }

// Case runs a case on an engine. It returns nil where what each query sees is what it
// must see, as far as that can be told, else the first divergence.
func (j *EngineJudge) Case(ctx context.Context, c *corpus.Case, point Checkpoint, engine EngineSubject) (*corpus.Divergence, error) {
	j.c, j.point, j.explain = c, point, nil
	if x, ok := engine.(EngineExplainer); ok {
		j.explain = x.Explain
	}
	j.state, j.given = newEngineState(point.Identities), nil
	for i := range c.Engine.Ops {
		o := &c.Engine.Ops[i]
		d, err := j.step(ctx, o, engine)
		if f, detail := engine.Failed(); f != "" {
			d, err = &corpus.Divergence{Tensor: "-", Fault: f, Detail: detail}, nil
		} else if ctx.Err() != nil {
			return nil, ctx.Err() // the operation may have been cut short
		}
		if err != nil {
			return nil, err
		}
		if d != nil {
			d.Op, d.OpKind = i+1, o.Kind.String()
			d.Given = tokensGiven(c.Engine.Ops[:i+1], j.given, point.Padding)
			return d, nil
		}
	}
	return nil, nil
}

func (j *EngineJudge) step(ctx context.Context, o *corpus.EngineOp, engine EngineSubject) (*corpus.Divergence, error) {
	switch o.Kind {
	case corpus.CropRequest:
		r := j.state.open[o.Request]
		if r == nil {
			return nil, nil // of a fork that was refused
		}
		if j.may(ctx, o, engine.Crop(ctx, o.Request, r.pad+o.N)) {
			j.state.crop(r, o.N)
		}
		return nil, nil
	case corpus.ForkRequest:
		if r := j.state.open[o.Request]; r != nil && j.may(ctx, o, engine.Fork(ctx, o.Request, o.As)) {
			j.state.fork(r, o.As)
		}
		return nil, nil
	case corpus.DropRequest:
		if j.state.open[o.Request] == nil {
			return nil, nil
		}
		err := engine.Drop(ctx, o.Request)
		j.state.drop(o.Request)
		return j.must(ctx, o, err), nil
	}
	return j.forward(ctx, o, engine)
}

// may takes note of an operation that an engine may refuse. One that was cut short was
// not refused.
func (j *EngineJudge) may(ctx context.Context, o *corpus.EngineOp, err error) bool {
	n := j.Done[o.Kind.String()]
	switch {
	case err == nil:
		n.Accepted++
	case ctx.Err() == nil:
		n.Refused++
	}
	j.Done[o.Kind.String()] = n
	return err == nil
}

// must is the divergence of an operation that an engine must do and did not.
func (j *EngineJudge) must(ctx context.Context, o *corpus.EngineOp, err error) *corpus.Divergence {
	if j.may(ctx, o, err) {
		return nil
	}
	d := &corpus.Divergence{Tensor: "-", Fault: corpus.FaultCrash, Detail: err.Error()}
	if errors.Is(err, impls.ErrRefused) {
		d.Fault = corpus.FaultRefused
	}
	return d
}

// batch is what a forward gives to requests; those of a fork that was refused are not
// there.
func (j *EngineJudge) batch(o *corpus.EngineOp) (batch []Tokens) {
	for _, p := range o.Parts {
		r := j.state.open[p.Request]
		if r == nil && p.Kind != corpus.PartPrompt {
			continue
		}
		if r == nil {
			r = j.state.begin(p.Request, p.Pad)
		}
		t := Tokens{Request: p.Request, Pad: p.Pad, New: p.Kind == corpus.PartPrompt}
		for range p.Pad {
			t.Tokens = append(t.Tokens, j.point.Padding)
		}
		t.Tokens = append(t.Tokens, j.state.give(r, p.N)...)
		batch = append(batch, t)
	}
	return batch
}

// Finish gives an engine the forwards that the last case has after an operation, at which
// it diverged, and judges nothing. Other operations are left out.
func (j *EngineJudge) Finish(ctx context.Context, after int, engine EngineSubject) error {
	for i := after; i < len(j.c.Engine.Ops); i++ {
		o := &j.c.Engine.Ops[i]
		if o.Kind != corpus.Forward {
			continue
		}
		if _, err := engine.Forward(ctx, j.batch(o), false); err != nil {
			return err
		}
	}
	return nil
}

// forward gives requests their tokens and judges the rows that come back.
func (j *EngineJudge) forward(ctx context.Context, o *corpus.EngineOp, engine EngineSubject) (*corpus.Divergence, error) {
	batch := j.batch(o)
	j.given = append(j.given, batch)
	if len(batch) == 0 {
		return nil, nil
	}
	tokens := 0
	for _, t := range batch {
		tokens += len(t.Tokens)
	}
	all := j.All && tokens > len(batch) && tokens <= maxAll
	rows, err := engine.Forward(ctx, batch, all)
	if d := j.must(ctx, o, err); d != nil || ctx.Err() != nil {
		return d, nil
	}
	want := len(batch)
	if all {
		want = tokens
	}
	if len(rows) != want {
		return nil, fmt.Errorf("the engine's driver gave %d rows of logits, want %d", len(rows), want)
	}
	return j.rows(batch, rows, all), nil
}

// rows judges the rows of a forward: of all that is wrong the plainest is told.
func (j *EngineJudge) rows(batch []Tokens, rows []Reading, all bool) *corpus.Divergence {
	j.Steps++
	undecided := false
	var worst *wrong
	at := 0
	for _, t := range batch {
		r := j.state.open[t.Request]
		first := len(r.tokens) - 1
		if all {
			at += t.Pad // what padding sees means nothing
			first = len(r.tokens) - (len(t.Tokens) - t.Pad)
		}
		for p := first; p < len(r.tokens); p++ {
			found, open := j.row(r, p, rows[at])
			undecided = undecided || open
			if found != nil && (worst == nil || found.rank() < worst.rank()) {
				worst = found
			}
			at++
		}
	}
	if worst != nil {
		return j.divergence(worst)
	}
	if undecided {
		j.Undecided++
	}
	return nil
}

// noLayer is the layer of a row that says nothing.
const noLayer = -1

// row judges what one query saw. open is whether that could not be told of some head.
func (j *EngineJudge) row(r *request, position int, row Reading) (worst *wrong, open bool) {
	if row.Err != nil {
		return &wrong{q: &query{r: r, position: position, layer: noLayer}, fault: corpus.FaultLogits, detail: row.Err.Error()}, false
	}
	for layer, heads := range row.Heads {
		window := 0
		if j.point.Sliding[layer] {
			window = j.c.Shape.Window
		}
		q := &query{r: r, position: position, first: oracle.Sees(position, window), layer: layer, identities: j.point.Identities}
		for i := range heads {
			found, undecided := j.head(q, &heads[i])
			open = open || undecided
			if found == nil {
				continue
			}
			found.head, found.heads, found.role = i, 1, heads[i].Role
			switch {
			case worst == nil || found.rank() < worst.rank():
				worst = found
			case worst.q == q && found.fault == worst.fault:
				worst.heads++
			}
		}
		if worst != nil && worst.q == q {
			for i := range heads {
				if heads[i].Role == worst.role {
					worst.of++
				}
			}
		}
	}
	return worst, open
}
