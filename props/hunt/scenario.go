package hunt

import (
	"context"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// sceneKey is what a scenario reports once: a failure, in a forced order and in
// the device's own.
type sceneKey struct {
	corpus.Failure
	native bool
}

// Scenario runs the cases of a scenario that are those of a target. Each must
// diverge or agree as the target is known-bad or sound; a device with an order of
// its own is free not to show a fault. What is found keeps the scenario's size,
// which is its point. With count it is said of a race in a native order how often
// it shows, and in which order on sim: that takes some seconds.
func Scenario(ctx context.Context, b *run.Backends, t window.Target, cases []*corpus.Case, o Options, count bool) (result Result, err error) {
	result.Target, result.Seed, result.Shard, result.scenario = t, o.Seed, o.Shard, true
	r := &Runner{Backends: b}
	start := time.Now()
	defer func() { result.Elapsed = time.Since(start) }()
	seen := map[sceneKey]int{} // the finding's index
	var own int                // cases of the shard
	for i, c := range cases {
		if !o.Shard.has(i+1, 1) {
			continue
		}
		own++
		if o.Time > 0 && time.Since(start) >= o.Time {
			result.Ended = "the time was up, give more --time"
			break
		}
		if o.Progress != nil {
			o.Progress(result.Cases)
		}
		d, err := r.One(ctx, c)
		if ctx.Err() != nil {
			break // that run was cut short
		}
		if err != nil {
			return result, err
		}
		result.Cases++
		if d == nil {
			if !t.Sound() && c.Schedule.Kind != inplace.Native { // else the device is free not to show it
				result.Missed++
			}
			continue
		}
		key := sceneKey{d.Failure(c.Target), c.Schedule.Kind == inplace.Native}
		note := Note{Number: i + 1, Failure: &key.Failure, Native: key.native}
		if i, ok := seen[key]; ok {
			result.Findings[i].Seen++
			o.note(note)
			continue
		}
		seen[key] = len(result.Findings)
		small := c.Clone()
		if count && c.Native() && d.Race != nil {
			counted, known, err := r.Native(ctx, c, d)
			switch {
			case err == nil:
				small, d = counted, known
			case ctx.Err() == nil:
				return result, err
			}
		}
		small.Expect = d.Expect()
		f := Finding{Found: c, Small: small, Divergence: d, At: i + 1, Seen: 1}
		result.Findings = append(result.Findings, f)
		note.Finding = &f
		o.note(note)
	}
	result.Interrupted = ctx.Err() != nil && result.Cases < own
	return result, nil
}
