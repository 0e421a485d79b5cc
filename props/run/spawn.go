package run

// Spawner is a Backend that can be had several times over, so that cases run at once:
// each has what it needs for itself, as a process.
type Spawner interface {
	// Spawn is a backend that runs the same cases with the same results, nil where
	// there is no other. What it needs it starts with its first case, and end ends; it
	// must not run then.
	Spawn() (b Backend, end func())
}
