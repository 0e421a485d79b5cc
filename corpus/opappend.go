package corpus

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// Append hands a cache a chunk of new tokens.
const Append OpKind = 0

type appendOp struct{ plain }

// Shape is the shape of an append's chunk in a cache of shape s, with the batch of
// the moment; its window means nothing.
func (o Op) Shape(s impls.Shape) impls.Shape {
	if o.Batch != 0 {
		s.Batch = o.Batch
	}
	if o.Each != nil {
		s.Batch = len(o.Each)
	}
	if o.Heads != 0 {
		s.Heads = o.Heads
	}
	if o.Dim != 0 {
		s.Dim = o.Dim
	}
	if o.DType != "" {
		s.DType, _ = impls.ParseDType(o.DType) // checked by Case.Check
	}
	return s
}

// Mismatched reports whether the chunk has another shape than the cache.
func (o *Op) Mismatched(s impls.Shape) bool { return o.Named() && o.Shape(s) != s }

// Named reports whether the operation names a part of a shape, which may be the
// cache's own. Each step asks it before Mismatched, whose argument costs more than that.
func (o *Op) Named() bool {
	return o.Batch|o.Heads|o.Dim != 0 || o.DType != "" || o.Each != nil
}

// even reports whether the operation is an append of as many tokens to each entry, in a
// chunk of the cache's shape without padding.
func (o *Op) even() bool { return o.Kind == Append && !o.Named() && o.Pad == nil }

// Of is the tokens of an append for one entry: the last rows of its chunk.
func (o *Op) Of(entry int) int {
	if o.Each == nil {
		return o.N
	}
	return o.Each[entry]
}

// PadOf is how many of the tokens for an entry are left padding.
func (o *Op) PadOf(entry int) int {
	if entry >= len(o.Pad) {
		return 0
	}
	return o.Pad[entry]
}

// Now is a cache's shape with the batch of the moment.
func Now(s impls.Shape, at State) impls.Shape {
	s.Batch = at.Batch()
	return s
}

func (appendOp) Parse(o *Op, args string) (err error) {
	first, more, _ := strings.Cut(args, " ")
	each, err := list(first)
	if err != nil {
		return fmt.Errorf("append: %w", err)
	}
	o.N = slices.Max(each)
	if len(each) > 1 {
		o.Each = each
	}
	return fields(more, []string{"pad", "batch", "heads", "dim", "dtype"}, func(key, value string) (err error) {
		switch key {
		case "pad":
			o.Pad, err = list(value)
		case "batch":
			o.Batch, err = positive(value)
		case "heads":
			o.Heads, err = positive(value)
		case "dim":
			o.Dim, err = positive(value)
		case "dtype":
			o.DType = value
			_, err = impls.ParseDType(value)
		}
		return err
	})
}

func (appendOp) Args(o *Op) string {
	s := fmt.Sprintf(" %d", o.N)
	if o.Each != nil {
		s = " " + listText(o.Each)
	}
	if o.Pad != nil {
		s += " pad=" + listText(o.Pad)
	}
	for _, e := range [...]struct {
		name string
		n    int
	}{{"batch", o.Batch}, {"heads", o.Heads}, {"dim", o.Dim}} {
		if e.n != 0 {
			s += fmt.Sprintf(" %s=%d", e.name, e.n)
		}
	}
	if o.DType != "" {
		s += " dtype=" + o.DType
	}
	return s
}

func (appendOp) Check(o *Op, s impls.Shape) error {
	if err := checkExtent(o); err != nil {
		return err
	}
	if o.Each != nil {
		switch err := checkList(o); {
		case err != nil:
			return err
		case len(o.Each) == 1 || slices.Max(o.Each) != o.N || o.Pad != nil || o.Batch != 0:
			return fmt.Errorf("append: numbers by entry are at least two, without pad and batch")
		}
	}
	if o.Pad != nil && len(o.Pad) != s.Batch {
		return fmt.Errorf("pad: %d numbers for a batch of %d", len(o.Pad), s.Batch)
	}
	for _, p := range o.Pad {
		if p < 0 || p > o.N {
			return fmt.Errorf("pad: %d of %d tokens", p, o.N)
		}
	}
	for _, n := range [...]int{o.Batch, o.Heads, o.Dim} {
		if n < 0 || n > impls.MaxExtent {
			return fmt.Errorf("a chunk's extent of %d is outside 1..%d", n, impls.MaxExtent)
		}
	}
	if o.DType != "" {
		_, err := impls.ParseDType(o.DType)
		return err
	}
	return nil
}

func (appendOp) Tokens(o *Op) int { return o.N }

// Rows has keys and values.
func (appendOp) Rows(o *Op, _ int) int64 { return 2 * int64(o.N) }

func (appendOp) Decode(kind, n int, s impls.Shape) (o Op, ok bool) {
	switch {
	case kind >= 248: // a chunk of another shape
		o := Op{Kind: Append, N: 1 + n%2}
		switch n / 2 % 4 {
		case 0:
			o.Batch = s.Batch%2 + 1
		case 1:
			o.Heads = s.Heads%3 + 1
		case 2:
			o.Dim = s.Dim%4 + 1
		case 3:
			o.DType = impls.DType((int(s.DType) + 1) % 5).String()
		}
		return o, true
	case kind%16 < 9: // a decode step: the common case
		return Op{Kind: Append, N: 1}, true
	case kind%16 < 12: // a chunk of any length up to past two windows
		return Op{Kind: Append, N: n % (2*s.Window + 2)}, true
	}
	return o, false
}

func (appendOp) Features() []Feature {
	return []Feature{Exact, LongChunks, Crossing, Empty, OtherBatch, MismatchedChunks, Ragged}
}

func (appendOp) FeaturesOf(o *Op, s impls.Shape, at State) []Feature {
	var all []Feature
	if o.N == 0 {
		all = append(all, Empty)
	}
	if o.Each != nil {
		all = append(all, Ragged)
	}
	s = Now(s, at)
	if o.Mismatched(s) || o.DType != "" {
		all = append(all, MismatchedChunks)
		if o.Shape(s).Batch != s.Batch {
			all = append(all, OtherBatch)
		}
		return all
	}
	for b := range at.Batch() {
		kind := ChunkKind(at.Len(b), o.Of(b), s.Window)
		if kind != "" && !slices.Contains(all, kind) {
			all = append(all, kind)
		}
	}
	return all
}

func (appendOp) Capability(o *Op) Capability {
	if o.Each != nil {
		return CanRagged
	}
	return ""
}

// ChunkKind is the kind of a chunk of q tokens after n in a window of so many
// rows: Empty, LongChunks, Crossing, Exact, or "" for any other.
func ChunkKind(n, q, window int) Feature {
	switch {
	case q == 0:
		return Empty
	case q > window:
		return LongChunks
	case q > 1 && n+q > window:
		return Crossing
	case q == window && n == 0:
		return Exact
	}
	return ""
}

// Fit keeps a chunk's share of the window, so that what filled it still does. A
// shape that is now the cache's own is not named.
func (appendOp) Fit(o *Op, drawn, s impls.Shape) Op {
	p := *o
	p.N = scale(o.N, drawn.Window, s.Window)
	if p.Pad != nil && p.N != o.N {
		p.Pad = nil
	}
	if o.Each != nil {
		p.Each = slices.Clone(o.Each)
		if drawn.Batch != s.Batch {
			p.Each = cycled(o.Each, s.Batch)
		}
		for b, n := range p.Each {
			p.Each[b] = scale(n, drawn.Window, s.Window)
		}
		return ragged(p.Each)
	}
	if p.Pad != nil && len(p.Pad) != s.Batch {
		p.Pad = cycled(p.Pad, s.Batch)
	}
	if !p.Mismatched(s) {
		return Op{Kind: Append, N: p.N, Pad: p.Pad}
	}
	return p
}

// ragged is an append of these numbers of tokens; of one entry it is a plain one.
func ragged(each []int) Op {
	if len(each) == 1 {
		return Op{Kind: Append, N: each[0]}
	}
	return Op{Kind: Append, N: slices.Max(each), Each: each}
}

// scale gives a number its share of another window. None and one stay so.
func scale(n, from, to int) int {
	if n <= 1 {
		return n
	}
	return max(2, n*to/from)
}

// Answer is for all entries together: one that must refuse its tokens refuses the
// chunk.
func (appendOp) Answer(o *Op, s impls.Shape, at State, promise oracle.Promise) Answer {
	if o.Named() && o.Mismatched(Now(s, at)) {
		return MustRefuse
	}
	for b := range at.Batch() {
		if promise.Refuses(at.Len(b), o.Of(b), s.Window) {
			return MustRefuse
		}
	}
	return MustAccept
}

func (appendOp) Ask(ctx context.Context, o *Op, cache Cache) error { return cache.Update(ctx, o) }

func (appendOp) Effect(o *Op, at State) { at.Append(o) }

func (appendOp) WrongAnswer(o *Op, s impls.Shape, at State, err error) string {
	if s = Now(s, at); o.Mismatched(s) {
		x := o.Shape(s)
		return fmt.Sprintf("a chunk [%d, %d, %d, %d] of %s in a cache [%d, %d, rows, %d] of %s",
			x.Batch, x.Heads, o.N, x.Dim, x.DType, s.Batch, s.Heads, s.Dim, s.DType)
	}
	before := make([]int, at.Batch())
	for b := range before {
		before[b] = at.Len(b)
	}
	after := slices.Compact(slices.Clone(before)) // one number where all are alike
	tokens := strconv.Itoa(o.N)
	if o.Each != nil {
		tokens, after = listText(o.Each), before
	}
	chunk := fmt.Sprintf("%s rows after %s in a window of %d", tokens, listText(after), s.Window)
	if err == nil {
		return chunk + ", which must be refused"
	}
	return fmt.Sprintf("%s: %v", chunk, err)
}

func (appendOp) Merge(a, b *Op) (Op, bool) { return Op{Kind: Append, N: a.N + b.N}, true }

// Simpler drops padding and the parts of another shape, and gives all entries the
// same number of tokens, or one of them fewer.
func (appendOp) Simpler(ops []Op, i int, yield func([]Op) bool) {
	o := ops[i]
	for b := range o.Each {
		for _, n := range Less(0, o.Each[b]) {
			each := slices.Clone(o.Each)
			each[b] = n
			simpler := slices.Clone(ops)
			if simpler[i] = ragged(each); !yield(simpler) {
				return
			}
		}
	}
	if o.Pad == nil && !o.Named() {
		return
	}
	for _, p := range [...]Op{
		{Kind: Append, N: o.N},
		{Kind: Append, N: o.N, Batch: o.Batch},
		{Kind: Append, N: o.N, Heads: o.Heads},
		{Kind: Append, N: o.N, Dim: o.Dim},
		{Kind: Append, N: o.N, DType: o.DType},
	} {
		simpler := slices.Clone(ops)
		simpler[i] = p
		if !yield(simpler) {
			return
		}
	}
}

func (appendOp) Choices() []Choice {
	return []Choice{
		{Name: "decode", Weight: 9, Draw: func(*rand.Rand, impls.Shape, State) Op { return Op{Kind: Append, N: 1} }},
		// A chunk of any length up to past two windows.
		{Name: "chunk", Weight: 3, Draw: func(r *rand.Rand, s impls.Shape, _ State) Op {
			return Op{Kind: Append, N: r.IntN(2*s.Window + 2)}
		}},
		{Name: "odd", Weight: 0.5, Draw: func(r *rand.Rand, s impls.Shape, at State) Op { return odd(r, Now(s, at)) }},
		// Few tokens, as drafts that were accepted, in most of the entries.
		{Name: "ragged", Weight: 3, Needs: CanRagged, Draw: func(r *rand.Rand, s impls.Shape, at State) Op {
			most := 1 + r.IntN(3)
			if r.IntN(4) == 0 {
				most = 2*s.Window + 1
			}
			each := make([]int, min(at.Batch(), MaxEntries))
			for b := range each {
				each[b] = r.IntN(most + 1)
			}
			return ragged(each)
		}},
	}
}

// odd is a chunk of another shape than the cache's.
func odd(r *rand.Rand, s impls.Shape) Op {
	o := Op{Kind: Append, N: 1 + r.IntN(2)}
	another := func(n int) int {
		m := 1 + r.IntN(4)
		if m >= n {
			m++
		}
		return m
	}
	switch r.IntN(4) {
	case 0:
		o.Batch = another(s.Batch)
	case 1:
		o.Heads = another(s.Heads)
	case 2:
		o.Dim = another(s.Dim)
	default:
		o.DType = impls.DType((int(s.DType) + 1 + r.IntN(4)) % 5).String()
	}
	return o
}

func (appendOp) Forms(tokens, _ int) []Op { return []Op{{Kind: Append, N: tokens}} }
