package main

import (
	"fmt"
	"time"
)

// engineTime is what became of the time of a hunt in an engine. Of cases that ran at once
// the times add up.
type engineTime struct {
	engine    time.Duration // in which it, or its driver, loaded and answered
	ours      time.Duration // of drawing, writing checkpoints, judging
	shrinking time.Duration // of both
}

func (o *outcome) engineTime() (t engineTime) {
	for _, f := range o.Findings {
		t.shrinking += f.Shrinking
	}
	t.engine = o.Steps.Waited
	t.ours = max(o.Elapsed-t.shrinking, o.Steps.Running) - t.engine
	return t
}

// requests is how many there were and what became of the time, in words.
func (o *outcome) requests() string {
	t := o.engineTime()
	whole := t.engine + t.ours
	s := fmt.Sprintf("%s requests", thousands(o.Steps.Requests))
	if whole > 0 {
		s += fmt.Sprintf(", %.3g a second of one engine; of %s the engine and its driver took %.1f %%, the rest of slidefuzz %.1f %%",
			float64(o.Steps.Requests)/whole.Seconds(), seconds(whole), 100*t.engine.Seconds()/whole.Seconds(), 100*t.ours.Seconds()/whole.Seconds())
	}
	if t.shrinking > 0 {
		s += fmt.Sprintf("; %s shrinking besides", seconds(t.shrinking))
	}
	return s
}

// processorTime is what a hunt in an engine of another process took of the processor.
type processorTime struct{ own, engine time.Duration }

// known reports whether it is: not where the system does not tell, or there is no engine.
func (t processorTime) known() bool { return t.own+t.engine > 0 }

// text is the time in words. The engine has ended.
func (t processorTime) text(all []*outcome) string {
	s := fmt.Sprintf("processor time: %s slidefuzz, %s the engine", seconds(t.own), seconds(t.engine))
	requests, steps := 0, 0
	for _, o := range all {
		if len(o.Findings) > 0 { // shrinking took most of it
			return s
		}
		requests, steps = requests+o.Steps.Requests, steps+o.Steps.Steps
	}
	if steps == 0 {
		return s
	}
	whole := (t.own + t.engine).Seconds()
	return s + fmt.Sprintf("; %.3g requests and %.3g steps a second of it", float64(requests)/whole, float64(steps)/whole)
}
