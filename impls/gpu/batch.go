package gpu

import (
	"context"
	"errors"

	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// maxFailures is how often a device may fail in one Run: each failure takes a
// fresh process, or the whole time limit.
const maxFailures = 3

// largeTrace is the blocks from which on a trace is run by itself, a launch
// a step: there a launch costs less than what it does.
const largeTrace = 1 << 14

// maxBatch bounds what one launch of many traces takes on the device.
const maxBatch = 1 << 30

// part is traces that run together, or one alone.
type part struct {
	which []int
	alone bool
	batch *batch
}

func newPart(traces []*inplace.Trace, which []int) part {
	picked := make([]*inplace.Trace, len(which))
	for k, i := range which {
		picked[k] = traces[i]
	}
	return part{which: which, batch: encode(picked, true)}
}

// together runs traces in one launch. Where the device fails they are run in
// halves, each on a fresh child, until the one to blame is found.
func (d *Device) together(ctx context.Context, traces []*inplace.Trace, p part, results []Result) error {
	if d.failures >= maxFailures {
		for _, i := range p.which {
			results[i].NotRun = true
		}
		return nil
	}
	err := p.batch.err
	if err == nil {
		r := p.batch.request()
		r.groups, r.Blocks, r.Ticketed = bytesOf(p.batch.groups), nil, true
		var rep *reply
		if rep, err = d.ask(ctx, &request{Run: r}); err == nil {
			p.batch.outcomes(rep, func(k int, o inplace.Outcome) { results[p.which[k]].Outcome = o })
			p.batch.done()
			return nil
		}
		var failed *FailedError
		if !errors.As(err, &failed) {
			return err
		}
	}
	if len(p.which) == 1 {
		d.failures++
		results[p.which[0]].Err = err
		return nil
	}
	defer func(was bool) { d.searching = was }(d.searching)
	d.searching = true
	half := len(p.which) / 2
	if err := d.together(ctx, traces, newPart(traces, p.which[:half]), results); err != nil {
		return err
	}
	return d.together(ctx, traces, newPart(traces, p.which[half:]), results)
}

// single runs one trace, a launch a step.
func (d *Device) single(ctx context.Context, s *inplace.Trace, result *Result) error {
	if result.NotRun = d.failures >= maxFailures; result.NotRun {
		return nil
	}
	b := encode([]*inplace.Trace{s}, false)
	if b.err != nil {
		result.Err = b.err
		return nil
	}
	r := b.request()
	r.Ticketed = !s.Native
	if s.Graph {
		numbers := map[*inplace.Plan]int{nil: 0}
		for i := range s.Steps {
			p := s.Steps[i].Plan
			if _, ok := numbers[p]; !ok {
				numbers[p] = len(numbers)
			}
			r.Plans = append(r.Plans, numbers[p])
		}
	}
	rep, err := d.ask(ctx, &request{Run: r})
	var failed *FailedError
	if errors.As(err, &failed) {
		d.failures++
		result.Err = err
		return nil
	}
	if err != nil {
		return err
	}
	b.outcomes(rep, func(_ int, o inplace.Outcome) { result.Outcome = o })
	return nil
}

// request is the batch as the child wants it, a launch a step of slot 0.
func (b *batch) request() *runRequest {
	return &runRequest{words: bytesOf(b.words), Slots: len(b.traces), Memory: b.memory, Blocks: b.blocks[0]}
}

// outcomes reads the states that a child sent back.
func (b *batch) outcomes(r *reply, each func(i int, o inplace.Outcome)) {
	state := wordsOf(r.State)
	next := 0
	for i := range b.traces {
		w := state[stateWords*i:]
		if w[0] == 0 {
			each(i, inplace.Outcome{})
			continue
		}
		each(i, inplace.Outcome{Failed: true, Step: int(w[1]), Wrong: int(w[0]), First: int(w[2]), Memory: r.Memory[next]})
		next++
	}
}
