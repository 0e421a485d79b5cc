package worker

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ModelHello is what a worker with the capability model says of its engine.
type ModelHello struct {
	// Crop and Fork are of requests; Chunks are several tokens for a request that is
	// there; with Join a forward takes any requests, each with any number of tokens;
	// Padding is left padding; All is the logits of each token.
	Crop, Fork, Chunks, Join, Padding, All bool
	// Archs and Formats are those of checkpoints that it takes; no Archs are all.
	Archs, Formats []string
	// MaxRequests of one forward and MaxContext tokens of a request, 0 for no bound.
	MaxRequests, MaxContext int
	// MinWindow and MaxWindow are of sliding layers, 0 for no bound.
	MinWindow, MaxWindow int
	// Logits is how many of each row of logits the engine gives, the largest, the others
	// being -Inf; 0 for all.
	Logits int
	// Variants are the ways in which the engine runs a checkpoint, by name, which Load
	// takes; the first is meant where none is named. Nil for an engine with one way.
	Variants []string
}

// modelWords are the capabilities of an engine.
func (h *ModelHello) words() map[string]*bool {
	return map[string]*bool{"crop": &h.Crop, "fork": &h.Fork, "chunks": &h.Chunks, "join": &h.Join, "padding": &h.Padding, "all": &h.All}
}

// The words that an engine's hello may have.
var (
	modelWords   = []string{"crop", "fork", "chunks", "join", "padding", "all"}
	modelArchs   = []string{"mistral", "gemma2", "gemma3"}
	modelFormats = []string{"hf", "gguf"}
)

// parseModelHello reads the hello of a worker whose capabilities have model.
func parseModelHello(meta map[string]string) (*ModelHello, error) {
	h := &ModelHello{Formats: []string{"hf"}}
	words := h.words()
	for name := range strings.SplitSeq(meta["capabilities"], ",") {
		switch name = strings.TrimSpace(name); {
		case name == "model":
		case words[name] != nil:
			*words[name] = true
		default:
			return nil, fmt.Errorf("capability %q beside model: want %s", name, strings.Join(modelWords, ", "))
		}
	}
	var err error
	if h.Archs, err = someOf(meta, "archs", modelArchs, nil); err != nil {
		return nil, err
	}
	if h.Formats, err = someOf(meta, "formats", modelFormats, h.Formats); err != nil {
		return nil, err
	}
	for key, n := range map[string]*int{"max_requests": &h.MaxRequests, "max_context": &h.MaxContext, "logits": &h.Logits} {
		if text, ok := meta[key]; ok {
			if *n, err = parseCount(text, 1); err != nil {
				return nil, fmt.Errorf("%s %q: want a number from 1 on", key, text)
			}
		}
	}
	if text, ok := meta["variants"]; ok {
		for name := range strings.SplitSeq(text, ",") {
			if name = strings.TrimSpace(name); name == "" || slices.Contains(h.Variants, name) {
				return nil, fmt.Errorf("variants %q: want names, each once", text)
			}
			h.Variants = append(h.Variants, name)
		}
	}
	if text, ok := meta["windows"]; ok {
		from, to, _ := strings.Cut(text, "-")
		var errs [2]error
		h.MinWindow, errs[0] = parseCount(from, 1)
		h.MaxWindow, errs[1] = parseCount(to, 1)
		if errors.Join(errs[:]...) != nil || h.MinWindow > h.MaxWindow {
			return nil, fmt.Errorf("windows %q: want the smallest and the largest, as in 2-16", text)
		}
	}
	return h, nil
}

// someOf reads a list of some words; a key that is there with nothing in it is an error.
func someOf(meta map[string]string, key string, all, otherwise []string) ([]string, error) {
	text, ok := meta[key]
	if !ok {
		return otherwise, nil
	}
	var some []string
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); !slices.Contains(all, name) || slices.Contains(some, name) {
			return nil, fmt.Errorf("%s %q: want some of %s, each once", key, text, strings.Join(all, ","))
		}
		some = append(some, name)
	}
	return some, nil
}

// metadata is the inverse.
func (h *ModelHello) metadata() map[string]string {
	can := []string{"model"}
	for _, name := range modelWords {
		if *h.words()[name] {
			can = append(can, name)
		}
	}
	meta := map[string]string{"capabilities": strings.Join(can, ",")}
	for key, list := range map[string][]string{"archs": h.Archs, "formats": h.Formats, "variants": h.Variants} {
		if len(list) > 0 {
			meta[key] = strings.Join(list, ",")
		}
	}
	for key, n := range map[string]int{"max_requests": h.MaxRequests, "max_context": h.MaxContext, "logits": h.Logits} {
		if n > 0 {
			meta[key] = strconv.Itoa(n)
		}
	}
	if h.MaxWindow > 0 {
		meta["windows"] = fmt.Sprintf("%d-%d", max(1, h.MinWindow), h.MaxWindow)
	}
	return meta
}

// ModelChunk is the tokens of one request in one forward.
type ModelChunk struct {
	Request string
	Tokens  []int
	Pad     int  // how many of the tokens, from the first, are left padding
	New     bool // the request begins here
}

// Load has the engine of a worker load a checkpoint, which ends all requests. A worker
// that is gone is started anew. variant is one of its hello, "" for the first.
func (c *Client) Load(ctx context.Context, path, format, variant string, window int) error {
	c.fault = nil
	if _, err := c.Hello(ctx); err != nil {
		return err
	}
	meta := map[string]string{"path": path, "format": format, "window": strconv.Itoa(window)}
	if variant != "" {
		meta["variant"] = variant
	}
	_, err := c.ask(ctx, "load", meta)
	return err
}

// Forward gives requests their next tokens and returns a row of logits for the last
// token of each, with all for each token of each. After a fault the fault comes back
// until Load.
func (c *Client) Forward(ctx context.Context, chunks []ModelChunk, all bool) ([][]float32, error) {
	var names, added []string
	var lens, pads []int
	var tokens []byte
	padded := false
	for _, x := range chunks {
		names, lens, pads = append(names, x.Request), append(lens, len(x.Tokens)), append(pads, x.Pad)
		padded = padded || x.Pad > 0
		if x.New {
			added = append(added, x.Request)
		}
		for _, t := range x.Tokens {
			tokens = binary.LittleEndian.AppendUint64(tokens, uint64(int64(t)))
		}
	}
	meta := map[string]string{"requests": strings.Join(names, ","), "lens": formatList(lens), "want": "last"}
	rows := len(chunks)
	if all {
		meta["want"], rows = "all", len(tokens)/8
	}
	if padded {
		meta["pad"] = formatList(pads)
	}
	if added != nil {
		meta["new"] = strings.Join(added, ",")
	}
	reply, err := c.ask(ctx, "forward", meta, Tensor{Name: "tokens", DType: "I64", Shape: []int{len(tokens) / 8}, Data: tokens})
	if err != nil {
		return nil, err
	}
	logits, err := unpackLogits(reply.Tensor("logits"), rows)
	if err != nil {
		return nil, c.fail(Nonsense, "the reply to forward: logits: %v", err)
	}
	return logits, nil
}

// CropRequest keeps the first length tokens of a request.
func (c *Client) CropRequest(ctx context.Context, request string, length int) error {
	_, err := c.ask(ctx, "crop", map[string]string{"request": request, "length": strconv.Itoa(length)})
	return err
}

// ForkRequest begins a request with the tokens of another.
func (c *Client) ForkRequest(ctx context.Context, request, as string) error {
	_, err := c.ask(ctx, "fork", map[string]string{"request": request, "as": as})
	return err
}

// DropRequests ends requests.
func (c *Client) DropRequests(ctx context.Context, requests ...string) error {
	_, err := c.ask(ctx, "drop", map[string]string{"requests": strings.Join(requests, ",")})
	return err
}

func unpackLogits(t *Tensor, rows int) ([][]float32, error) {
	switch {
	case t == nil:
		return nil, errors.New("they are missing")
	case t.DType != "F32":
		return nil, fmt.Errorf("dtype %s: want F32", t.DType)
	case len(t.Shape) != 2 || t.Shape[0] != rows:
		return nil, fmt.Errorf("shape %v: want [%d, vocabulary]", t.Shape, rows)
	}
	all := make([][]float32, rows)
	for i := range all {
		all[i] = make([]float32, t.Shape[1])
		for k := range all[i] {
			all[i][k] = math.Float32frombits(binary.LittleEndian.Uint32(t.Data[4*(i*t.Shape[1]+k):]))
		}
	}
	return all, nil
}

func packLogits(rows [][]float32) Tensor {
	t := Tensor{Name: "logits", DType: "F32", Shape: []int{len(rows), 0}}
	for _, row := range rows {
		t.Shape[1] = len(row)
		for _, x := range row {
			t.Data = binary.LittleEndian.AppendUint32(t.Data, math.Float32bits(x))
		}
	}
	return t
}

// Model is an engine that ServeModel serves. An error refuses the request.
type Model interface {
	Load(ctx context.Context, path, format string, window int) error
	Forward(ctx context.Context, chunks []ModelChunk, all bool) ([][]float32, error)
	Crop(ctx context.Context, request string, length int) error
	Fork(ctx context.Context, request, as string) error
	Drop(ctx context.Context, requests ...string) error
}

// VariantModel is a Model that runs a checkpoint in several ways, which hello.Model names.
type VariantModel interface {
	Model
	// LoadVariant is Load for a variant of hello.Model.
	LoadVariant(ctx context.Context, path, format, variant string, window int) error
}

// ServeModel answers requests for an engine, until bye, the end of in or that of ctx.
// hello.Model says what it can do.
func ServeModel(ctx context.Context, in io.Reader, out io.Writer, hello Hello, m Model) error {
	return serve(ctx, in, out, func(r *Message) (*Message, error) {
		nothing := &Message{Meta: map[string]string{}}
		switch op := r.Meta["op"]; op {
		case "hello":
			return hello.message(), nil
		case "bye":
			return nothing, nil
		case "load":
			window, err := strconv.Atoi(r.Meta["window"])
			if err != nil {
				return nil, fmt.Errorf("load: window=%q: want a number", r.Meta["window"])
			}
			variant := r.Meta["variant"]
			if variant == "" {
				return nothing, m.Load(ctx, r.Meta["path"], r.Meta["format"], window)
			}
			v, ok := m.(VariantModel)
			if !ok || !slices.Contains(hello.Model.Variants, variant) {
				return nil, fmt.Errorf("load: variant=%q: want one of %q", variant, hello.Model.Variants)
			}
			return nothing, v.LoadVariant(ctx, r.Meta["path"], r.Meta["format"], variant, window)
		case "forward":
			return forwardOf(ctx, r, m)
		case "crop":
			length, err := strconv.Atoi(r.Meta["length"])
			if err != nil {
				return nil, fmt.Errorf("crop: length=%q: want a number", r.Meta["length"])
			}
			return nothing, m.Crop(ctx, r.Meta["request"], length)
		case "fork":
			return nothing, m.Fork(ctx, r.Meta["request"], r.Meta["as"])
		case "drop":
			return nothing, m.Drop(ctx, strings.Split(r.Meta["requests"], ",")...)
		default:
			return nil, fmt.Errorf("op %q: want hello, load, forward, crop, fork, drop or bye", op)
		}
	})
}

// forwardOf answers a request to forward.
func forwardOf(ctx context.Context, r *Message, m Model) (*Message, error) {
	names := strings.Split(r.Meta["requests"], ",")
	lens, err := list(r, "lens")
	if err != nil {
		return nil, err
	}
	pads := make([]int, len(names))
	if _, padded := r.Meta["pad"]; padded {
		if pads, err = list(r, "pad"); err != nil {
			return nil, err
		}
	}
	t := r.Tensor("tokens")
	total := 0
	for _, n := range lens {
		if n < 1 {
			return nil, fmt.Errorf("forward: lens=%s: want a token for each request", r.Meta["lens"])
		}
		total += n
	}
	if t == nil || t.DType != "I64" || len(t.Shape) != 1 || t.Shape[0] != total || len(lens) != len(names) || len(pads) != len(names) {
		return nil, fmt.Errorf("forward: want a number of lens and pad for each of %d requests, and as many I64 tokens", len(names))
	}
	added := strings.Split(r.Meta["new"], ",")
	chunks, at := make([]ModelChunk, len(names)), 0
	for i, name := range names {
		chunks[i] = ModelChunk{Request: name, Pad: pads[i], New: slices.Contains(added, name)}
		for range lens[i] {
			chunks[i].Tokens = append(chunks[i].Tokens, int(int64(binary.LittleEndian.Uint64(t.Data[8*at:]))))
			at++
		}
	}
	rows, err := m.Forward(ctx, chunks, r.Meta["want"] == "all")
	if err != nil {
		return nil, err
	}
	return &Message{Meta: map[string]string{}, Tensors: []Tensor{packLogits(rows)}}, nil
}
