package worker

import (
	"context"
	"errors"

	"github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// Spawn implements run.Spawner: a process of its own of the same worker.
func (b *Backend) Spawn() (run.Backend, func()) {
	c := b.client.Another()
	return &Backend{ // not a copy: this one may be running
		Shape: b.Shape, Without: b.Without,
		client: c, hello: b.hello, judge: judge.New(), again: judge.New(), sim: run.Local(), programs: map[string]judge.Count{},
	}, c.Kill
}

// Start implements run.Starter.
func (b *Backend) Start(ctx context.Context) error {
	_, err := b.client.Hello(ctx)
	return notStarted(err)
}

// notStarted makes the error of a worker that does not start known as one.
func notStarted(err error) error {
	var failed *worker.StartError
	if errors.As(err, &failed) {
		return &run.NotStartedError{Err: err}
	}
	return err
}
