package worker

import (
	"context"
	"fmt"
	"slices"
)

// sequences treats the entries of a batch each for itself, as hello offers.
func (c *checker) sequences(ctx context.Context) error {
	if c.hello.Select {
		if err := c.selects(ctx); err != nil {
			return err
		}
	}
	if c.hello.Ragged {
		return c.ragged(ctx)
	}
	return nil
}

// selects makes the batch anew.
func (c *checker) selects(ctx context.Context) error {
	to := func(what string, how want, entries ...int) error {
		err := c.client.Select(ctx, entries)
		if err == nil {
			c.batch = len(entries)
		}
		return c.answer(fmt.Sprintf("select %s, %v", what, entries), how, err)
	}
	b := c.shape.Batch
	steps := []func() error{
		func() error { return c.reset(ctx) },
		func() error { return c.tokens(ctx, "a prefill before select", taken, c.most(2)) },
	}
	if c.hello.Snapshot {
		steps = append(steps, func() error { return c.answer("snapshot before select", taken, c.client.Snapshot(ctx, 2)) })
	}
	steps = append(steps,
		func() error { return to("an entry that is not there", refused, slices.Repeat([]int{b}, b)...) },
		func() error { return to("an entry below the first", refused, slices.Repeat([]int{-1}, b)...) },
		func() error { return c.tokens(ctx, "a decode after them", taken, 1) },
		func() error { return to("a repeat", either, slices.Repeat([]int{b - 1}, b)...) },
		func() error { return c.tokens(ctx, "a decode after it", taken, 1) },
	)
	if n := c.another(); n > 0 {
		what := "a longer batch"
		if n < b {
			what = "a shorter batch"
		}
		entries := make([]int, n)
		for i := range entries {
			entries[i] = (b - 1 + i) % b
		}
		steps = append(steps,
			func() error { return to(what, either, entries...) },
			func() error { return c.tokens(ctx, "a decode after it", taken, 1) },
		)
	}
	if b > 1 && c.hello.NearestBatch(1) == 1 {
		steps = append(steps,
			func() error { return to("a shrink", either, 0) },
			func() error { return c.tokens(ctx, "a decode after it", taken, 1) },
		)
	}
	if n := c.outsideBatch(); n > 0 {
		steps = append(steps,
			func() error { return to("a batch outside batches", refused, make([]int, n)...) },
			func() error { return c.tokens(ctx, "a decode after it", taken, 1) },
		)
	}
	if c.hello.Snapshot {
		steps = append(steps,
			func() error {
				err := c.client.Restore(ctx, 2)
				c.batch = b
				return c.answer("restore after select", taken, err)
			},
			func() error { return c.tokens(ctx, "a decode after it", taken, 1) },
		)
	}
	steps = append(steps,
		func() error { return c.reset(ctx) },
		func() error { return c.tokens(ctx, "a prefill after reset", taken, c.most(2)) },
	)
	return inOrder(steps)
}

// ragged hands over and crops another number of tokens in each entry.
func (c *checker) ragged(ctx context.Context) error {
	each := func(what string, how want, lens []int) error {
		return c.chunk(ctx, fmt.Sprintf("%s, lens %v", what, lens), how, c.shape, slices.Max(lens), lens)
	}
	// 2, 1, 2 … tokens, and then 1, 0, 1 ….
	first, next, crop := make([]int, c.shape.Batch), make([]int, c.shape.Batch), make([]int, c.shape.Batch)
	for b := range first {
		first[b], next[b], crop[b] = c.most(2-b%2), 1-b%2, 1+b%2
	}
	steps := []func() error{
		func() error { return c.reset(ctx) },
		func() error { return each("a prefill by entry", taken, first) },
		func() error { return c.tokens(ctx, "a decode after it", taken, 1) },
		func() error { return each("a chunk by entry", either, next) },
	}
	if c.hello.Crop {
		steps = append(steps,
			func() error {
				return c.answer(fmt.Sprintf("crop to lengths %v", crop), either, c.client.CropEach(ctx, crop))
			},
			func() error { return c.tokens(ctx, "a decode after it", taken, 1) },
		)
	}
	return inOrder(steps)
}
