package corpus

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// Append hands a cache a chunk of new tokens.
const Append OpKind = 0

type appendOp struct{ plain }

// Shape is the shape of an append's chunk in a cache of shape s; its window
// means nothing.
func (o Op) Shape(s impls.Shape) impls.Shape {
	if o.Batch != 0 {
		s.Batch = o.Batch
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
func (o Op) Mismatched(s impls.Shape) bool { return o.named() && o.Shape(s) != s }

// named reports whether the operation names a part of a shape, which may be the
// cache's own.
func (o *Op) named() bool { return o.Batch|o.Heads|o.Dim != 0 || o.DType != "" }

func (appendOp) Parse(o *Op, args string) (err error) {
	first, more, _ := strings.Cut(args, " ")
	if o.N, err = number(first); err != nil {
		return fmt.Errorf("append: %w", err)
	}
	return fields(more, []string{"pad", "batch", "heads", "dim", "dtype"}, func(key, value string) (err error) {
		switch key {
		case "pad":
			o.Pad = []int{}
			for v := range strings.SplitSeq(value, ",") {
				n, err := number(v)
				if err != nil {
					return err
				}
				o.Pad = append(o.Pad, n)
			}
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
	if o.Pad != nil {
		p := make([]string, len(o.Pad))
		for i, n := range o.Pad {
			p[i] = strconv.Itoa(n)
		}
		s += " pad=" + strings.Join(p, ",")
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
	return []Feature{Exact, LongChunks, Crossing, Empty, OtherBatch, MismatchedChunks}
}

func (appendOp) FeaturesOf(o *Op, s impls.Shape, n int) []Feature {
	var all []Feature
	if o.N == 0 {
		all = append(all, Empty)
	}
	switch kind := ChunkKind(n, o.N, s.Window); {
	case o.Mismatched(s) || o.DType != "":
		all = append(all, MismatchedChunks)
		if o.Shape(s).Batch != s.Batch {
			all = append(all, OtherBatch)
		}
	case kind != "" && kind != Empty:
		all = append(all, kind)
	}
	return all
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
func (appendOp) Fit(o *Op, window int, s impls.Shape) Op {
	p := *o
	p.N = scale(o.N, window, s.Window)
	if !p.Mismatched(s) {
		return Op{Kind: Append, N: p.N, Pad: p.Pad}
	}
	return p
}

// scale gives a number its share of another window. None and one stay so.
func scale(n, from, to int) int {
	if n <= 1 {
		return n
	}
	return max(2, n*to/from)
}

func (appendOp) Answer(o *Op, s impls.Shape, at State, promise oracle.Promise) Answer {
	if o.Mismatched(s) || promise.Refuses(at.Len(), o.N, s.Window) {
		return MustRefuse
	}
	return MustAccept
}

func (appendOp) Ask(ctx context.Context, o *Op, cache Cache) error { return cache.Update(ctx, o) }

func (appendOp) Effect(o *Op, at State) { at.Append(o.N) }

func (appendOp) WrongAnswer(o *Op, s impls.Shape, at State, err error) string {
	if o.Mismatched(s) {
		x := o.Shape(s)
		return fmt.Sprintf("a chunk [%d, %d, %d, %d] of %s in a cache [%d, %d, rows, %d] of %s",
			x.Batch, x.Heads, o.N, x.Dim, x.DType, s.Batch, s.Heads, s.Dim, s.DType)
	}
	chunk := fmt.Sprintf("%d rows after %d in a window of %d", o.N, at.Len(), s.Window)
	if err == nil {
		return chunk + ", which the contract refuses"
	}
	return fmt.Sprintf("%s: %v", chunk, err)
}

func (appendOp) Merge(a, b *Op) (Op, bool) { return Op{Kind: Append, N: a.N + b.N}, true }

// Simpler drops padding and the parts of another shape.
func (appendOp) Simpler(ops []Op, i int, yield func([]Op) bool) {
	o := ops[i]
	if o.Pad == nil && !o.named() {
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

func (appendOp) Forms(tokens, _ int) []Op { return []Op{{Kind: Append, N: tokens}} }
