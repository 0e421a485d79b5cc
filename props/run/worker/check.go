package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// Check asks a worker everything that the protocol has and its hello offers, once
// for each of its element types, and returns the first reply that the protocol does
// not allow. What the limits of hello leave out is not asked; of what lies beyond
// its numbers one thing each is asked, and must be refused. Whether the rows are
// right is not judged. say is called with what was found.
func Check(ctx context.Context, w *worker.Client, say func(string)) error {
	hello, err := w.Hello(ctx)
	if err != nil {
		return err
	}
	say(fmt.Sprintf("hello: %s %s on %s, contract %s, dtypes %v, crop %t, ragged %t, select %t, snapshot %t, programs %t, order %t, sinks %d%s",
		hello.Name, hello.Version, hello.Device, hello.Contract, hello.DTypes, hello.Crop, hello.Ragged, hello.Select, hello.Snapshot, hello.Programs, hello.Order, hello.Sinks,
		limits(hello)))
	for _, d := range hello.DTypes {
		if hello.Programs {
			for _, variant := range hello.Variants {
				if err := checkProgram(ctx, w, variant, d); err != nil {
					return fmt.Errorf("variant %s: %w", variant, err)
				}
				say(fmt.Sprintf("programs: %s, variant %s", d, variant))
			}
			if err := checkProgram(ctx, w, "", d); err != nil {
				return err
			}
			say(fmt.Sprintf("programs: %s", d))
			continue
		}
		// Two lanes of each kind, so that a mixed-up axis shows.
		s := impls.Shape{Batch: hello.NearestBatch(2), Heads: 3, Window: 4, Dim: hello.Dims.Nearest(5), DType: d}
		c := &checker{client: w, hello: hello, shape: s, batch: s.Batch, say: say}
		for _, steps := range []func(context.Context) error{c.cache, c.sequences, c.outside} {
			if err := steps(ctx); err != nil {
				return err
			}
		}
	}
	if err := w.Close(ctx); err != nil {
		return err
	}
	say("bye: exit status 0")
	return nil
}

// limits is what hello says of them, each after a comma.
func limits(h *worker.Hello) string {
	text := ""
	for _, x := range []struct{ name, value string }{
		{"max_chunk", h.MaxChunk.String()},
		{"without", strings.Join(h.Without, ",")},
		{"dims", h.Dims.String()},
		{"variants", strings.Join(h.Variants, ",")},
	} {
		if x.value != "" {
			text += ", " + x.name + " " + x.value
		}
	}
	if h.Batches != nil {
		text += fmt.Sprintf(", batches %v", h.Batches)
	}
	if h.Slack != nil {
		text += fmt.Sprintf(", slack %d", *h.Slack)
	}
	return text
}

// checker asks for caches of one shape.
type checker struct {
	client *worker.Client
	hello  *worker.Hello
	shape  impls.Shape
	batch  int // of the moment
	say    func(string)
}

// want is how a request must be answered.
type want uint8

const (
	either want = iota
	taken
	refused
)

// answer reports a reply that is not as it must be.
func (c *checker) answer(what string, how want, err error) error {
	if f := c.client.Ended(); f != nil {
		return fmt.Errorf("%s: %w", what, f)
	}
	var no *worker.RefusedError
	switch {
	case err == nil && how == refused:
		return fmt.Errorf("%s: it was not refused", what)
	case err == nil:
		c.say(fmt.Sprintf("%s %s: ok", c.shape.DType, what))
	case !errors.As(err, &no):
		return fmt.Errorf("%s: %w", what, err)
	case how == taken:
		return fmt.Errorf("%s: refused: %s", what, no.Reason)
	default:
		c.say(fmt.Sprintf("%s %s: refused: %s", c.shape.DType, what, no.Reason))
	}
	return nil
}

func (c *checker) new(ctx context.Context) error {
	c.batch = c.shape.Batch
	return c.answer(fmt.Sprintf("a new cache of batch %d and dim %d", c.shape.Batch, c.shape.Dim), taken, c.client.New(ctx, c.shape))
}

func (c *checker) reset(ctx context.Context) error {
	c.batch = c.shape.Batch
	return c.answer("reset", taken, c.client.Reset(ctx))
}

// chunk hands over q tokens in a shape, lens of them in each entry where it is not
// nil.
func (c *checker) chunk(ctx context.Context, what string, how want, s impls.Shape, q int, lens []int) error {
	x := impls.NewTensor(s, q)
	var k, v impls.Tensor
	var err error
	if lens == nil {
		k, v, err = c.client.Update(ctx, x, x)
	} else {
		k, v, err = c.client.UpdateEach(ctx, x, x, lens)
	}
	if err == nil {
		if k.DType != s.DType || v.DType != s.DType || k.Rows != v.Rows {
			err = fmt.Errorf("returned keys of %s, %d rows, and values of %s, %d rows", k.DType, k.Rows, v.DType, v.Rows)
		}
		for _, t := range []impls.Tensor{k, v} {
			if how == taken && (t.Batch != s.Batch || t.Heads != s.Heads || t.Dim != s.Dim) {
				err = fmt.Errorf("returned a batch of %d, %d heads and dim %d; want %d, %d and %d", t.Batch, t.Heads, t.Dim, s.Batch, s.Heads, s.Dim)
			}
		}
		if visible := c.client.Visible(); visible != nil {
			what += fmt.Sprintf(", visible [%d %d %d]", len(visible), q, k.Rows)
		}
	}
	return c.answer(what, how, err)
}

// tokens hands q tokens to each entry of the batch of the moment.
func (c *checker) tokens(ctx context.Context, what string, how want, q int) error {
	s := c.shape
	s.Batch = c.batch
	return c.chunk(ctx, what, how, s, q, nil)
}

// most is the tokens of one chunk, of so many.
func (c *checker) most(q int) int { return min(q, c.hello.MaxChunk.Rows(c.shape.Window)) }

// allows reports whether chunks of a kind are asked for.
func (c *checker) allows(kind string, q int) bool {
	return !slices.Contains(c.hello.Without, kind) && q == c.most(q)
}

// another is a batch size that the worker takes and that is not the shape's; 0 if
// there is none.
func (c *checker) another() int {
	for _, n := range []int{c.shape.Batch + 1, c.shape.Batch - 1} {
		if n > 0 && c.hello.NearestBatch(n) == n {
			return n
		}
	}
	for _, n := range c.hello.Batches {
		if n != c.shape.Batch {
			return n
		}
	}
	return 0
}

// cache meets every request that has nothing to do with single entries.
func (c *checker) cache(ctx context.Context) error {
	s, hello, w := c.shape, c.hello, c.client
	wide, other := s, s
	wide.Heads++
	other.Batch = max(1, s.Batch-1)
	if s.Batch == 1 {
		other.Batch = 2
	}
	prefill := c.most(s.Window - 1)
	decodes := s.Window - prefill
	steps := []func() error{
		func() error { return c.new(ctx) },
		func() error { return c.tokens(ctx, fmt.Sprintf("a prefill of %d", prefill), taken, prefill) },
	}
	for i := range decodes {
		what := "a decode"
		if i == decodes-1 {
			what = "a decode that fills the window"
		}
		steps = append(steps, func() error { return c.tokens(ctx, what, taken, 1) })
	}
	steps = append(steps, func() error { return c.tokens(ctx, "a decode past it", taken, 1) })
	if hello.Order {
		steps = append(steps, func() error { return c.descending(ctx) })
	}
	if long := c.most(s.Window + 2); long > s.Window && c.allows("long", long) {
		steps = append(steps, func() error { return c.tokens(ctx, "a chunk longer than the window", taken, long) })
	}
	if c.allows("crossing", 2) {
		steps = append(steps, func() error { return c.tokens(ctx, "two tokens at a full window", either, 2) })
	}
	if c.allows("empty", 0) {
		steps = append(steps, func() error { return c.tokens(ctx, "no tokens", either, 0) })
	}
	steps = append(steps,
		func() error { return c.chunk(ctx, "a head too many", either, wide, 1, nil) },
		func() error { return c.reset(ctx) },
		func() error {
			return c.chunk(ctx, fmt.Sprintf("a batch of %d after reset", other.Batch), either, other, 1, nil)
		},
		func() error { return c.reset(ctx) },
		func() error { return c.tokens(ctx, "a prefill after reset", taken, c.most(2)) },
		func() error { return c.answer("snapshot", offered(hello.Snapshot), w.Snapshot(ctx, 1)) },
		func() error { return c.answer("crop to 1", either, w.Crop(ctx, 1)) },
		func() error { return c.answer("restore", offered(hello.Snapshot), w.Restore(ctx, 1)) },
		func() error { return c.tokens(ctx, "a decode at the end", taken, 1) },
	)
	return inOrder(steps)
}

// descending asks for an update in a given order, of a block a row, and for one more in
// the worker's own.
func (c *checker) descending(ctx context.Context) error {
	for b := c.shape.Lanes()*c.shape.Window - 1; b >= 0; b-- {
		c.client.Order = append(c.client.Order, b)
	}
	err := c.tokens(ctx, "a decode with its blocks in descending order", taken, 1)
	if c.client.Order = nil; err != nil {
		return err
	}
	return c.tokens(ctx, "a decode in its own order", taken, 1)
}

// offered is how a request must be answered whose capability is, or is not, there.
func offered(is bool) want {
	if is {
		return taken
	}
	return either
}

func inOrder(steps []func() error) error {
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// checkProgram runs a program that moves nothing over itself, in a variant; one that
// returns a value in each form, where the worker takes that.
func checkProgram(ctx context.Context, w *worker.Client, variant string, d impls.DType) error {
	s := impls.Shape{Batch: 1, Heads: 2, Window: 1, Dim: 3, DType: d}
	upper := inplace.Clone(inplace.View("x", 2, 4))
	p := inplace.Program{Buffers: []inplace.Buffer{{Name: "x", Rows: 4}}, Stmts: []inplace.Stmt{inplace.Assign("x", 0, 2, upper)}}
	hello, err := w.Hello(ctx)
	if err != nil {
		return err
	}
	if hello.Grammar > 1 {
		p.Stmts = append(p.Stmts, inplace.Return(inplace.Plain, upper), inplace.Return(inplace.Reshaped, upper), inplace.Return(inplace.Transposed, upper))
	}
	call := func() []impls.Tensor {
		return append([]impls.Tensor{impls.NewTensor(s, 4)}, worker.Returned(p, s)...)
	}
	j := &worker.Job{Program: p, Buffers: call()}
	for range hello.Calls() - 1 {
		j.Again = append(j.Again, call())
	}
	if err := w.RunPrograms(ctx, variant, []*worker.Job{j}); err != nil {
		return fmt.Errorf("programs: %w", err)
	}
	return j.Err
}
