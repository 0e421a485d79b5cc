package engine

import (
	"context"

	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// Worker drives the engine of a worker process, which offers the capability model.
type Worker struct {
	Client *worker.Client
	// Variant is that of its hello in which it runs, "" for the first.
	Variant string
}

// Load implements Driver.
func (w Worker) Load(ctx context.Context, path string, format Format, window int) error {
	return w.Client.Load(ctx, path, string(format), w.Variant, window)
}

// Forward implements Driver.
func (w Worker) Forward(ctx context.Context, chunks []Chunk, all bool) ([][]float32, error) {
	return w.Client.Forward(ctx, convert[worker.ModelChunk](chunks), all)
}

// convert turns chunks of one package into those of the other, field by field.
func convert[To Chunk | worker.ModelChunk, From Chunk | worker.ModelChunk](chunks []From) []To {
	all := make([]To, len(chunks))
	for i, c := range chunks {
		all[i] = To(c)
	}
	return all
}

// Crop implements Driver.
func (w Worker) Crop(ctx context.Context, request string, length int) error {
	return w.Client.CropRequest(ctx, request, length)
}

// Fork implements Driver.
func (w Worker) Fork(ctx context.Context, request, as string) error {
	return w.Client.ForkRequest(ctx, request, as)
}

// Drop implements Driver.
func (w Worker) Drop(ctx context.Context, requests ...string) error {
	return w.Client.DropRequests(ctx, requests...)
}

// Served is a driver as worker.ServeModel serves it.
type Served struct{ Driver }

// Load implements worker.Model.
func (s Served) Load(ctx context.Context, path, format string, window int) error {
	return s.Driver.Load(ctx, path, Format(format), window)
}

// Forward implements worker.Model.
func (s Served) Forward(ctx context.Context, chunks []worker.ModelChunk, all bool) ([][]float32, error) {
	return s.Driver.Forward(ctx, convert[Chunk](chunks), all)
}
