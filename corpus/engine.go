package corpus

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls"
)

// EngineCase is what a case of an engine has beside its window: the checkpoint that the
// engine loads, and what becomes of requests.
type EngineCase struct {
	Model Model
	Ops   []EngineOp
}

// Model is a probe checkpoint, whose logits say which tokens each query attended to. The
// window of its sliding layers is that of the case's shape.
type Model struct {
	Arch string // of Archs
	Kind string // of ModelKinds
	// Layers, query heads, heads of keys and values, elements of a head.
	Layers, Heads, KVHeads, Dim int
	DType                       impls.DType // of the weights: F32, F16 or BF16
	Seed                        uint64
}

// Archs lists the architectures of checkpoints: mistral slides in every layer, gemma2
// and gemma3 in some.
func Archs() []string { return []string{"mistral", "gemma2", "gemma3"} }

// ModelKinds lists the kinds of checkpoints, the smaller first: "visible" shows the
// tokens that are seen and how often, "full" also whether keys, values and positions
// belong together.
func ModelKinds() []string { return []string{"visible", "full"} }

// String is the model as a line of a case file has it.
func (m Model) String() string {
	return fmt.Sprintf("arch=%s kind=%s layers=%d heads=%d kv=%d dim=%d dtype=%s seed=%d", m.Arch, m.Kind, m.Layers, m.Heads, m.KVHeads, m.Dim, m.DType, m.Seed)
}

// Check reports a model that is none. What a kind asks of its heads, whoever writes
// checkpoints says.
func (m Model) Check() error {
	switch {
	case !slices.Contains(Archs(), m.Arch):
		return fmt.Errorf("model: arch=%s: want one of %s", m.Arch, strings.Join(Archs(), ", "))
	case !slices.Contains(ModelKinds(), m.Kind):
		return fmt.Errorf("model: kind=%s: want one of %s", m.Kind, strings.Join(ModelKinds(), ", "))
	case m.DType != impls.F32 && m.DType != impls.F16 && m.DType != impls.BF16:
		return fmt.Errorf("model: dtype=%s: want F32, F16 or BF16", m.DType)
	case m.Layers < 1 || m.Layers > maxLayers:
		return fmt.Errorf("model: layers=%d is outside 1..%d", m.Layers, maxLayers)
	case m.Heads < 1 || m.Heads > maxModelHeads || m.KVHeads < 1 || m.Heads%m.KVHeads != 0:
		return fmt.Errorf("model: heads=%d kv=%d: want at most %d heads, a multiple of kv", m.Heads, m.KVHeads, maxModelHeads)
	case m.Dim < 1 || m.Dim > maxModelDim:
		return fmt.Errorf("model: dim=%d is outside 1..%d", m.Dim, maxModelDim)
	}
	return nil
}

// The bounds of a checkpoint: what Bytes says of it must not overflow.
const maxLayers, maxModelHeads, maxModelDim = 64, 256, 1024

// Bytes is the memory that an engine needs for the weights, at most: a row and a column
// for each element that a head of a layer writes, in F32, in the embedding and its
// inverse.
func (m Model) Bytes() int64 {
	hidden := int64(m.Layers*m.Heads+3) * int64(m.Dim)
	if m.Kind == "visible" { // a head of keys and values has one share a token
		hidden = int64(m.Layers*m.KVHeads+3) * int64(m.Dim)
	}
	return 2 * 4 * hidden * hidden
}

// EngineOpKind is what an operation of an engine case does.
type EngineOpKind uint8

// The kinds of operations.
const (
	Forward     EngineOpKind = iota // gives requests tokens, in one batch
	CropRequest                     // a request keeps its first tokens
	ForkRequest                     // a request begins with all the tokens of another
	DropRequest                     // a request ends
)

var engineOpNames = [...]string{"forward", "crop", "fork", "drop"}

func (k EngineOpKind) String() string { return engineOpNames[k] }

// EngineOp is one operation on requests, which have names.
type EngineOp struct {
	Kind    EngineOpKind
	Parts   []Part // of a forward, each of another request
	Request string // of the other kinds
	As      string // the request that a fork begins
	N       int    // tokens that a crop keeps, padding not counted
}

// PartKind is what a request gets in a forward.
type PartKind uint8

// The kinds of parts.
const (
	PartDecode PartKind = iota // one token
	PartChunk                  // N tokens of a request that is there
	PartPrompt                 // N tokens of a request that begins
)

// Part is what one request gets in a forward.
type Part struct {
	Kind    PartKind
	Request string
	N       int // 1 of a decode
	Pad     int // of a prompt: tokens of left padding before the N
}

func (p Part) String() string {
	switch p.Kind {
	case PartPrompt:
		return fmt.Sprintf("prompt %s %d", p.Request, p.N)
	case PartChunk:
		return fmt.Sprintf("chunk %s %d", p.Request, p.N)
	}
	return "decode " + p.Request
}

// String is the operation as lines of a case file, without the last line break.
func (o EngineOp) String() string {
	switch o.Kind {
	case CropRequest:
		return fmt.Sprintf("crop %s %d", o.Request, o.N)
	case ForkRequest:
		return fmt.Sprintf("fork %s %s", o.Request, o.As)
	case DropRequest:
		return "drop " + o.Request
	}
	var text strings.Builder
	parts := make([]string, len(o.Parts))
	for i, p := range o.Parts {
		if parts[i] = p.String(); p.Pad > 0 {
			fmt.Fprintf(&text, "pad %s %d\n", p.Request, p.Pad)
		}
	}
	text.WriteString(strings.Join(parts, " + "))
	return text.String()
}

// Tokens is the number of tokens that a forward brings, padding not counted.
func (o *EngineOp) Tokens() (n int) {
	for _, p := range o.Parts {
		n += p.N
	}
	return n
}

// Clone is a copy that shares nothing with e that a caller would change.
func (e *EngineCase) Clone() *EngineCase {
	if e == nil {
		return nil
	}
	d := *e
	d.Ops = slices.Clone(e.Ops)
	for i := range d.Ops {
		d.Ops[i].Parts = slices.Clone(d.Ops[i].Parts)
	}
	return &d
}

// Tokens is the number of tokens of all requests, padding not counted.
func (e *EngineCase) Tokens() (n int) {
	for i := range e.Ops {
		n += e.Ops[i].Tokens()
	}
	return n
}

// Requests lists the names of the requests, in the order in which they begin.
func (e *EngineCase) Requests() []string {
	var names []string
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, o := range e.Ops {
		add(o.Request)
		add(o.As)
		for _, p := range o.Parts {
			add(p.Request)
		}
	}
	return names
}

// Open is the requests that are there after some operations: how many tokens each has,
// padding not counted, and how much padding it began with.
type Open map[string]Extent

// Extent is the tokens of a request, and the padding before them.
type Extent struct{ Tokens, Pad int }

// After does an operation, or says why it has no meaning; then nothing is changed.
func (t Open) After(o *EngineOp) error {
	r, there := t[o.Request]
	if o.Kind != Forward && !there {
		return fmt.Errorf("%s: there is no request %s", o.Kind, o.Request)
	}
	switch o.Kind {
	case Forward:
		return t.forward(o)
	case CropRequest:
		if o.N < 1 || o.N > r.Tokens {
			return fmt.Errorf("crop %s %d: the request has %d tokens; want 1 to as many", o.Request, o.N, r.Tokens)
		}
		t[o.Request] = Extent{o.N, r.Pad}
	case ForkRequest:
		if _, taken := t[o.As]; taken {
			return fmt.Errorf("fork %s %s: there is a request %s", o.Request, o.As, o.As)
		}
		t[o.As] = r
	case DropRequest:
		delete(t, o.Request)
	}
	return nil
}

func (t Open) forward(o *EngineOp) error {
	if len(o.Parts) < 1 || len(o.Parts) > MaxRequests {
		return fmt.Errorf("a forward of %d requests; want 1 to %d", len(o.Parts), MaxRequests)
	}
	for i, p := range o.Parts {
		_, there := t[p.Request]
		switch {
		case slices.ContainsFunc(o.Parts[:i], func(q Part) bool { return q.Request == p.Request }):
			return fmt.Errorf("%s twice in one forward", p.Request)
		case p.Kind == PartPrompt && there:
			return fmt.Errorf("%s: there is a request %s; chunk gives it more tokens", p, p.Request)
		case p.Kind != PartPrompt && !there:
			return fmt.Errorf("%s: there is no request %s; prompt begins one", p, p.Request)
		case p.N < 1 || p.N > MaxContext || p.Kind == PartDecode && p.N != 1:
			return fmt.Errorf("%s: want 1 to %d tokens", p, MaxContext)
		case p.Pad < 0 || p.Pad > MaxContext || p.Kind != PartPrompt && p.Pad > 0:
			return fmt.Errorf("pad %s %d: want padding from 0 to %d, before the prompt of the request", p.Request, p.Pad, MaxContext)
		}
	}
	for _, p := range o.Parts {
		r := t[p.Request]
		t[p.Request] = Extent{r.Tokens + p.N, r.Pad + p.Pad}
	}
	return nil
}

// The bounds of an engine case.
const (
	MaxRequests = 64      // of one forward
	MaxContext  = 1 << 16 // tokens of a prompt or chunk, and padding
)

// checkEngine is Check of an engine case.
func (c *Case) checkEngine(limit int64) error {
	if c.Shape.Window < 1 || c.Shape.Window > impls.MaxExtent {
		return fmt.Errorf("window=%d is outside 1..%d", c.Shape.Window, impls.MaxExtent)
	}
	if err := c.Engine.Model.Check(); err != nil {
		return err
	}
	open := Open{}
	for i := range c.Engine.Ops {
		if err := open.After(&c.Engine.Ops[i]); err != nil {
			return &OpError{i + 1, err}
		}
	}
	if n := c.Bytes(); n < 0 || n > limit {
		return fmt.Errorf("the checkpoint and the tokens take %s, over the limit of %d MiB; --memory raises it", sizeText(n), limit>>20)
	}
	return nil
}

// bytes is Bytes of an engine case: the checkpoint, and keys and values of each token,
// padding and forks included.
func (e *EngineCase) bytes() int64 {
	tokens, open := int64(0), Open{}
	for i := range e.Ops {
		o := &e.Ops[i]
		for _, p := range o.Parts {
			tokens += int64(p.N + p.Pad)
		}
		if o.Kind == ForkRequest {
			tokens += int64(open[o.Request].Tokens)
		}
		_ = open.After(o) // Check has said what is wrong
	}
	m := e.Model
	return m.Bytes() + 2*4*tokens*int64(m.Layers*m.KVHeads*m.Dim)
}
