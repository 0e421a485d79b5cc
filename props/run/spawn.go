package run

import "context"

// Spawner is a Backend that can be had several times over, so that cases run at once:
// each has what it needs for itself, as a process.
type Spawner interface {
	// Spawn is a backend that runs the same cases with the same results, nil where
	// there is no other. What it needs it starts with its first case, and end ends; it
	// must not run then.
	Spawn() (b Backend, end func())
}

// Starter is a Backend of a process that takes long to start. Start starts it where it does
// not run, so that what runs next is measured without that; Run does it too. The error is
// one that Run would have.
type Starter interface {
	Start(ctx context.Context) error
}
