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
	for name, n := range c.of.Counts() {
		sum, was := c.all[name], c.from[name]
		sum.Accepted += n.Accepted - was.Accepted
		sum.Refused += n.Refused - was.Refused
		if sum != (judge.Count{}) {
			c.all[name] = sum
		}
	}
}

// steps adds up what a backend has judged by steps while it is not paused.
type steps struct {
	of     run.Stepper // nil where nobody counts
	from   judge.EngineCounts
	paused bool
	sum    *judge.EngineCounts
}

func stepsOf(b run.Backend, r *Result) *steps {
	of, _ := b.(run.Stepper)
	return &steps{of: of, paused: true, sum: &r.Steps}
}

func (s *steps) resume() {
	if s.of != nil && s.paused {
		s.from, s.paused = s.of.Steps(), false
	}
}

func (s *steps) pause() {
	*s.sum, s.paused = s.now(), true
}

// now is the sum so far.
func (s *steps) now() judge.EngineCounts {
	if s.of == nil || s.paused {
		return *s.sum
	}
	n, sum := s.of.Steps(), *s.sum
	sum.Steps += n.Steps - s.from.Steps
	sum.Undecided += n.Undecided - s.from.Undecided
	sum.Worst = max(sum.Worst, n.Worst)
	return sum
}
