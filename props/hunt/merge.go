package hunt

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/shrink"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// Part is what one shard of a hunt came to in a target.
type Part struct {
	Result Result // its findings are taken from the notes
	Notes  []Note
}

// Merge makes one result of those of shards. With whole the parts are all shards of
// one hunt with a number of cases, and of a target that is deterministic the result
// is that of the whole hunt, times aside: a case that failed counts where the whole
// hunt would have come to it, and a failure is told by the first case that showed it.
//
// Of a worker of programs with several faults that takes the worker too, b: which part of
// a wrong program is shrunk depends on what was found before, by other shards too, so that
// no shard may have run it. A merge runs that alone, and shrinks what no shard has. Without
// b, which is then nil, the whole hunt may have told other findings, as after the case at which
// the worker does not start again: the error says so, and the result is of all cases.
//
// Otherwise, without whole, counts and times add up, of findings that are one failure the
// smallest is told, and nothing is run.
func Merge(ctx context.Context, b *run.Backends, t window.Target, o Options, parts []Part, whole bool) (Result, error) {
	result := Result{Target: t, Seed: o.Seed}
	all := together(&result, parts)
	o.Cases = o.Bound(t)
	h := &hunter{
		o: o, result: &result, most: maxFindings, start: time.Now(), seen: map[corpus.Failure][]int{}, hangs: map[string]int{}, unshrunk: map[corpus.Failure]bool{},
		counts: &counts{},
	}
	if b != nil && whole && result.Foreign && t.IsProgram() {
		h.r = &Runner{Backends: b, ShrinkTime: o.shrinkTime()}
	}
	if h.traits.Foreign = result.Foreign; result.Foreign {
		h.most = maxForeignFindings
	}
	if !whole {
		h.o.Cases, h.most, h.each = 0, math.MaxInt, true
	}
	cases, end := result.Cases, 0
	var lost error
	for _, x := range all {
		if x.note.Number == 0 {
			continue
		}
		if whole && x.note.Last > end && (h.caught() || result.Ended != "") {
			break
		}
		end = max(end, x.note.Last)
		n := x.note
		h.shrink = func(ctx context.Context, c *corpus.Case, n *Note, d *corpus.Divergence) (*Finding, error) {
			if h.r == nil || n.shrunk(c) {
				return x.shrunk()
			}
			return h.minimize(ctx, c, n, d)
		}
		var d *corpus.Divergence
		if h.r != nil {
			d = n.Divergence
		}
		if err := h.failed(ctx, n.Case, &n, d); err != nil {
			return result, err
		}
		if h.r != nil {
			if err := started(ctx, h.r.Backends, t); err != nil && ctx.Err() == nil {
				lost, h.r = fmt.Errorf("case %d of seed %d, and what follows is told without the worker: %w", n.Number, o.Seed, err), nil
			}
		}
		if n.Finding == nil {
			continue
		}
		if i := h.same(n.Finding); i >= 0 {
			f := &result.Findings[i]
			if whole && n.Finding.showsMoreThan(f) && rare(f.Small, f.Divergence) || !whole && corpus.Compare(n.Finding.Small, f.Small) < 0 {
				better := *n.Finding
				better.Seen = f.Seen
				*f = better
			}
		}
	}
	result.Cases = cases
	if h.r != nil && ctx.Err() != nil {
		result.Interrupted = true
	}
	if whole && (h.caught() || result.Ended != "") {
		upTo(&result, all, end)
	}
	for _, p := range parts {
		if result.Ended == "" && (result.Cases == 0 || p.Result.Cases > 0) {
			result.Ended = p.Result.Ended
		}
	}
	return result, lost
}

// started starts the process of a target where that ended: the error is that it does not start.
func started(ctx context.Context, b *run.Backends, t window.Target) error {
	backend, err := b.Of(t)
	if s, ok := backend.(run.Starter); ok && err == nil {
		err = s.Start(ctx)
	}
	return err
}

// MergeScenario is Merge of the parts of a scenario.
func MergeScenario(t window.Target, o Options, parts []Part) (Result, error) {
	result := Result{Target: t, Seed: o.Seed, scenario: true}
	seen := map[sceneKey]int{}
	for _, x := range together(&result, parts) {
		if x.note.Number == 0 {
			continue
		}
		key := sceneKey{*x.note.Failure, x.note.Native}
		if i, ok := seen[key]; ok {
			result.Findings[i].Seen++
			continue
		}
		f, err := x.shrunk()
		if err != nil {
			return result, err
		}
		seen[key] = len(result.Findings)
		result.Findings = append(result.Findings, *f)
	}
	for _, p := range parts {
		result.Missed += p.Result.Missed
		result.Ended = cmp.Or(result.Ended, p.Result.Ended)
	}
	return result, nil
}

// noted is a note and the part that has it.
type noted struct {
	note Note
	part *Part
}

// together adds the counts of parts to a result, and gives their notes by the numbers
// of their cases.
func together(result *Result, parts []Part) (all []noted) {
	for i := range parts {
		p := &parts[i]
		r := p.Result
		result.Cases += r.Cases
		result.Elapsed += r.Elapsed
		result.Interrupted = result.Interrupted || r.Interrupted
		result.Foreign = result.Foreign || r.Foreign
		result.LostJobs = append(result.LostJobs, r.LostJobs...)
		addTo(&result.Counts, r.Counts)
		if r.Met != nil && result.Met == nil {
			result.Met = map[corpus.Feature]int{}
		}
		for f, n := range r.Met {
			result.Met[f] += n
		}
		result.addVariants(r.Variants)
		result.Steps = addSteps(result.Steps, r.Steps)
		for _, n := range p.Notes {
			all = append(all, noted{n, p})
		}
	}
	slices.SortStableFunc(all, func(a, b noted) int { return cmp.Compare(a.note.Number, b.note.Number) })
	return all
}

// upTo counts anew, the batches alone that the whole hunt ran before it ended.
func upTo(result *Result, all []noted, end int) {
	if !slices.ContainsFunc(all, func(x noted) bool { return x.note.Batch }) {
		return
	}
	result.Cases, result.Counts, result.Steps = 0, nil, judge.EngineCounts{}
	clear(result.Met)
	clear(result.Variants)
	for _, x := range all {
		n := x.note
		switch {
		case n.Last > end:
			continue
		case n.Number > 0 && result.Variants != nil:
			result.addVariants(map[string]Variant{n.Failure.Target.Variant: {Wrong: 1}})
		case n.Batch:
			result.Cases += n.Cases
			addTo(&result.Counts, n.Counts)
			for f, m := range n.Met {
				result.Met[f] += m
			}
			if n.Steps != nil {
				result.Steps = addSteps(result.Steps, *n.Steps)
			}
			if result.Variants != nil && n.Cases > 0 {
				result.addVariants(map[string]Variant{n.Variant: {Cases: n.Cases, Running: n.Took}})
			}
		}
	}
	result.skipped()
}

func addTo(all *map[string]judge.Count, more map[string]judge.Count) {
	if *all == nil && len(more) > 0 {
		*all = map[string]judge.Count{}
	}
	addCounts(*all, more, nil)
}

// shrunk reports whether the shard shrank just that part of the note's case.
func (n *Note) shrunk(part *corpus.Case) bool {
	of := cmp.Or(n.Part, n.Case)
	return n.Finding != nil && of != nil && bytes.Equal(of.Text(), part.Text())
}

// shrunk is the finding of a note: its own, else that of the same part which came to
// the same failure, else the case as it was drawn.
func (x noted) shrunk() (*Finding, error) {
	kept := func(f *Finding) *Finding {
		first := *f
		first.At, first.Seen = x.note.Number, 1
		return &first
	}
	if x.note.Finding != nil {
		return kept(x.note.Finding), nil
	}
	for _, n := range x.part.Notes {
		f := n.Finding
		if f != nil && f.Divergence.Failure(f.Small.Target) == *x.note.Failure && operatorsOf(f.Small, x.part.Result.Foreign, false).within(operatorsOf(x.note.Case, x.part.Result.Foreign, true)) {
			return kept(f), nil
		}
	}
	for _, n := range append([]Note{x.note}, x.part.Notes...) {
		if n.Case != nil && *n.Failure == *x.note.Failure {
			f := &Finding{Found: n.Case, Small: cutAfter(n.Case, n.Divergence), Divergence: n.Divergence, Stats: shrink.Stats{Bounded: true}}
			f.Small.Expect = n.Divergence.Expect()
			return kept(f), nil
		}
	}
	return nil, fmt.Errorf("case %d: %s: its shard did not keep the case", x.note.Number, x.note.Failure)
}
