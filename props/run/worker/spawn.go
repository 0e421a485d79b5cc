package worker

import (
	"context"

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
	return err
}
