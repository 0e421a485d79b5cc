package engine

import (
	"context"
	"time"

	"github.com/slidefuzz/slidefuzz/impls/engine"
)

// meter is a driver that counts what it is asked, and how long its answers take.
type meter struct {
	engine.Driver
	requests int
	waited   time.Duration // for what was asked and for loading
	before   int           // of the driver's own count, what was taken already
}

// take is what was counted since it was called last.
func (m *meter) take() (requests int, waited time.Duration) {
	requests, waited = m.requests, m.waited
	m.requests, m.waited = 0, 0
	if r, ok := m.Driver.(engine.Requester); ok {
		all := r.Requests()
		requests, m.before = all-m.before, all
	}
	return requests, waited
}

// asked notes a request; the function that it returns notes that it was answered.
func (m *meter) asked() func() {
	m.requests++
	return m.waits()
}

func (m *meter) waits() func() {
	from := time.Now()
	return func() { m.waited += time.Since(from) }
}

// Load is no request: how often a checkpoint is loaded depends on what ran before.
func (m *meter) Load(ctx context.Context, path string, format engine.Format, window int) error {
	defer m.waits()()
	return m.Driver.Load(ctx, path, format, window)
}

func (m *meter) Forward(ctx context.Context, chunks []engine.Chunk, all bool) ([][]float32, error) {
	defer m.asked()()
	return m.Driver.Forward(ctx, chunks, all)
}

func (m *meter) Crop(ctx context.Context, request string, length int) error {
	defer m.asked()()
	return m.Driver.Crop(ctx, request, length)
}

func (m *meter) Fork(ctx context.Context, request, as string) error {
	defer m.asked()()
	return m.Driver.Fork(ctx, request, as)
}

func (m *meter) Drop(ctx context.Context, requests ...string) error {
	defer m.asked()()
	return m.Driver.Drop(ctx, requests...)
}
