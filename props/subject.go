package props

import (
	"context"
	"errors"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// subject is the cache under test as the runner asks it. What a cache cannot do
// it refuses. An error that a call returns after its context has ended means
// nothing.
type subject interface {
	update(ctx context.Context, keys, values impls.Tensor) (k, v impls.Tensor, err error)
	reset(ctx context.Context)
	crop(ctx context.Context, n int) error
	snapshot(ctx context.Context, id int) error
	restore(ctx context.Context, id int) error
	positions() [][]int // as impls.Positioner
	sinks() int         // as impls.Sinker
}

// goCache is a cache of this process.
type goCache struct{ impls.Cache }

var errCannot = errors.New("this cache cannot do that")

func (c goCache) update(_ context.Context, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	return c.Update(keys, values)
}

func (c goCache) reset(context.Context) { c.Reset() }

func (c goCache) crop(_ context.Context, n int) error {
	if x, ok := c.Cache.(impls.Cropper); ok {
		return x.Crop(n)
	}
	return errCannot
}

func (c goCache) snapshot(_ context.Context, id int) error {
	if x, ok := c.Cache.(impls.Snapshotter); ok {
		return x.Snapshot(id)
	}
	return errCannot
}

func (c goCache) restore(_ context.Context, id int) error {
	if x, ok := c.Cache.(impls.Snapshotter); ok {
		return x.Restore(id)
	}
	return errCannot
}

func (c goCache) positions() [][]int {
	if x, ok := c.Cache.(impls.Positioner); ok {
		return x.Positions()
	}
	return nil
}

func (c goCache) sinks() int {
	if x, ok := c.Cache.(impls.Sinker); ok {
		return x.Sinks()
	}
	return 0
}

// workerCache is the cache of a worker.
type workerCache struct{ *worker.Client }

func (c workerCache) update(ctx context.Context, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	return c.Update(ctx, keys, values)
}

// reset leaves its error to the client's Fault.
func (c workerCache) reset(ctx context.Context) { _ = c.Reset(ctx) }

func (c workerCache) crop(ctx context.Context, n int) error { return c.Crop(ctx, n) }

func (c workerCache) snapshot(ctx context.Context, id int) error { return c.Snapshot(ctx, id) }

func (c workerCache) restore(ctx context.Context, id int) error { return c.Restore(ctx, id) }

func (c workerCache) positions() [][]int { return c.Positions() }

func (c workerCache) sinks() int { return c.Sinks() }
