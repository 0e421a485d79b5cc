package engine

import "github.com/slidefuzz/slidefuzz/props/run"

// Spawn implements run.Spawner: an engine of its own that answers as this one does.
func (b *Backend) Spawn() (another run.Backend, end func()) {
	if b.o.Another == nil {
		return nil, nil
	}
	driver, end := b.o.Another()
	x := newBackend(driver, b.o)
	x.makeProbe = b.makeProbe
	return x, end
}
