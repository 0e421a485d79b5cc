package worker

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// mostOutside bounds the bytes of keys in the chunk that is longer than max_chunk:
// far inside a message, and a moment to send.
const mostOutside = 16 << 20

// outside asks for what lies beyond each limit.
func (c *checker) outside(ctx context.Context) error {
	most := c.hello.MaxChunk.Rows(c.shape.Window)
	if most <= impls.MaxExtent+1 && c.shape.Bytes(most+1) <= mostOutside {
		steps := []func() error{
			func() error { return c.reset(ctx) },
			func() error {
				return c.tokens(ctx, fmt.Sprintf("%d tokens, more than max_chunk", most+1), refused, most+1)
			},
			func() error { return c.tokens(ctx, "a decode after it", taken, 1) },
		}
		if err := inOrder(steps); err != nil {
			return err
		}
	}
	shapes := map[string]impls.Shape{}
	if n := c.outsideBatch(); n > 0 {
		s := c.shape
		s.Batch = n
		shapes[fmt.Sprintf("a batch of %d, outside batches", n)] = s
	}
	// The one behind is outside, unless all are allowed or one follows the other.
	for dim := c.shape.Dim + 1; dim <= c.shape.Dim+mostDims; dim++ {
		if !c.hello.Dims.Has(dim) {
			s := c.shape
			s.Dim = dim
			shapes[fmt.Sprintf("a dim of %d, outside dims", dim)] = s
			break
		}
	}
	for _, what := range slices.Sorted(maps.Keys(shapes)) {
		if err := c.outsideShape(ctx, what, shapes[what]); err != nil {
			return err
		}
	}
	return nil
}

// mostDims is how many dims are tried for one that is outside: a list of more in a
// row is no list that people write.
const mostDims = 64

// outsideShape wants a shape refused: as a cache, or else with its first token.
func (c *checker) outsideShape(ctx context.Context, what string, s impls.Shape) error {
	err := c.client.New(ctx, s)
	if err != nil {
		return c.answer(what, refused, err)
	}
	return c.chunk(ctx, what+", its first token", refused, s, 1, nil)
}

// outsideBatch is the smallest batch size that the worker does not take; 0 if it
// takes all.
func (c *checker) outsideBatch() int {
	for n := 1; n <= len(c.hello.Batches); n++ {
		if !slices.Contains(c.hello.Batches, n) {
			return n
		}
	}
	if c.hello.Batches == nil {
		return 0
	}
	return len(c.hello.Batches) + 1
}
