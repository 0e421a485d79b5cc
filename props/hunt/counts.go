package hunt

import (
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// counts adds up what a backend counts while it is not paused.
type counts struct {
	of   run.Counter // nil where nothing is counted
	from map[string]judge.Count
	all  map[string]judge.Count
}

func countsOf(b run.Backend) *counts {
	of, ok := b.(run.Counter)
	if !ok {
		return &counts{}
	}
	return &counts{of: of, all: map[string]judge.Count{}}
}

func (c *counts) resume() {
	if c.of != nil {
		c.from = c.of.Counts()
	}
}

func (c *counts) pause() {
	if c.of == nil {
		return
	}
	addCounts(c.all, c.of.Counts(), c.from)
}

// addSteps is what two parts of a hunt have judged by steps.
func addSteps(a, b judge.EngineCounts) judge.EngineCounts {
	return judge.EngineCounts{
		Steps: a.Steps + b.Steps, Undecided: a.Undecided + b.Undecided, Worst: max(a.Worst, b.Worst),
		Requests: a.Requests + b.Requests, Running: a.Running + b.Running, Waited: a.Waited + b.Waited,
	}
}
