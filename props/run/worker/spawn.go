package worker

import (
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// Spawn implements run.Spawner: a process of its own of the same worker.
func (b *Backend) Spawn() (run.Backend, func()) {
	c := b.client.Another()
	another := *b
	another.client, another.judge, another.again, another.sim = c, judge.New(), judge.New(), run.Local()
	another.programs = map[string]judge.Count{}
	return &another, c.Kill
}
