package hunt

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/shrink"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// Options say how long to hunt.
type Options struct {
	Seed  uint64
	Cases int // at most so many cases; 0 for no bound
	// UntilCaught bounds the cases of a known-bad target instead, whose hunt ends with
	// the batch in which it is caught. 0 is for Cases, and all of them.
	UntilCaught int
	Time        time.Duration // at most so long; 0 for no bound
	// Steps ends a hunt in what is judged by steps once there were so many, 0 for no
	// bound.
	Steps    int
	Progress func(casesDone int)
	// ShrinkTime bounds the shrinking of one finding in what is not ours, 0 for
	// DefaultShrinkTime, of a hunt with a Time a twentieth of that, from 20 seconds on.
	ShrinkTime time.Duration
	// Jobs is how many cases run at once where the backend is a run.Spawner, 0 for
	// one. What is found is the same: results are taken in the order of the cases. Where
	// a process does not start the others run its cases, as long as there is one.
	Jobs int
	// Shard is the part of the cases that is run, all where it is the zero value.
	Shard Shard
	// Note is told what Merge has to know, from one goroutine; nil where nobody
	// merges.
	Note func(Note)
	// Corpus is what the hunt goes on from, nil where it begins anew. What it finds and
	// keeps then depends on that too.
	Corpus Corpus
}

// Bound is how many cases of a target are run at most, 0 for no bound.
func (o Options) Bound(t window.Target) int {
	race := window.OrdersItself(t.Device) && t.Racy() // which need not show there
	if o.Cases > 0 && o.UntilCaught > 0 && !t.Sound() && !race {
		return o.UntilCaught
	}
	return o.Cases
}

// Finding is one failure of a target.
type Finding struct {
	Found      *corpus.Case // as the hunt drew it
	Small      *corpus.Case // shrunk, with its outcome
	Divergence *corpus.Divergence
	At         int // the number of the case that found it, from 1
	Seen       int // cases that showed the same failure
	Stats      shrink.Stats
	// After is how long the hunt had run when the case was judged, the shrinking of earlier
	// findings left out; Shrinking is how long its own took. Cases are judged in their order,
	// and those of a batch together: one of several workers may have run it long before.
	After, Shrinking time.Duration
}

// Result is what a hunt in one target came to.
type Result struct {
	Target      window.Target
	Seed        uint64
	Cases       int
	Elapsed     time.Duration
	Findings    []Finding // different failures, in the order found
	Interrupted bool
	// Met counts the cases with each feature, of hunts in caches that are not ours.
	Met map[corpus.Feature]int
	// Counts says what became of the operations of the cases, by name, where a
	// cache may refuse them: nil elsewhere. What the shrinker asked is left out.
	Counts map[string]judge.Count
	// Steps is what was judged by steps, of a backend that counts them: what the shrinker
	// asked is left out.
	Steps judge.EngineCounts
	// Variants says what came of each variant of a worker that runs programs, by name,
	// empty where it has none; nil elsewhere.
	Variants map[string]Variant
	// Missed counts the cases of a scenario in which a known-bad target agreed and
	// should not have.
	Missed   int
	scenario bool
	// Foreign is run.Traits': what ran is somebody else's.
	Foreign bool
	// Shard is the part of the cases that was run: what others may have found is
	// not missed here.
	Shard Shard
	// LostJobs are those of Options.Jobs that did no work, or not until the end.
	LostJobs []LostJob
	// Ended says why the hunt ended before its last case, where the target is to
	// blame: it failed or hung too often, or took too long for one case.
	Ended string
}

// maxFindings bounds the different failures that one hunt shrinks. A target
// has at most a handful: the operations × keys or values × hazards.
const maxFindings = 4

// maxForeignFindings is that of what is not ours: it may have many faults, none of
// them known.
const maxForeignFindings = 32

// maxHangs is how often a target may hang at one kind of operation: each time
// takes the whole time limit, and a fourth tells nothing new.
const maxHangs = 3

// Undecided reports whether so many steps are undecided that nothing can be said.
func (r Result) Undecided() bool {
	return r.Steps.TooUndecided()
}

// Unexpected says why the result is a bad one, or is empty: a sound target
// diverged, a known-bad one was not caught, or the target could not be judged. A
// race is never required to show on a device with an order of its own.
func (r Result) Unexpected() string {
	sound, found := r.Target.Sound(), len(r.Findings) > 0
	switch {
	case sound && found:
		return "a sound target diverged"
	case r.Interrupted:
		return ""
	case r.Ended != "" && !found:
		return "not all cases could be run: " + r.Ended
	case sound && r.Undecided():
		return fmt.Sprintf("it could not be judged: %d of %d steps are undecided", r.Steps.Undecided, r.Steps.Steps)
	case r.Missed > 0:
		return fmt.Sprintf("a known-bad target was not caught in %s of the scenario", corpus.Plural(r.Missed, "case"))
	case r.scenario, !r.Shard.Whole():
		return ""
	case !sound && !found && !(window.OrdersItself(r.Target.Device) && r.Target.Racy()):
		return "a known-bad target was not caught in " + corpus.Plural(r.Cases, "case")
	}
	return ""
}

// hunter is one hunt under way.
type hunter struct {
	r         *Runner
	backend   run.Backend
	traits    run.Traits
	o         Options
	result    *Result
	draw      func() *corpus.Case
	most      int // findings
	unit      int // cases that go to one shard together
	drawn     int // cases so far, the other shards' among them
	last      int // the number of the last case whose batch was taken
	pool      *pool
	start     time.Time
	shrinking time.Duration
	seen      map[corpus.Failure][]int // the indices of its findings
	hangs     map[string]int           // by kind of operation
	hung      string                   // that it did so maxHangs times at one kind, in words; "" before
	unshrunk  map[corpus.Failure]bool
	shrinks   int       // of cases whose failure was known
	parts     int       // programs taken apart whose failure a finding explains
	until     time.Time // of what is shrunk, though its failure is known; zero for no end
	each      bool      // of a merge: each finding of its parts counts
	// shrink makes a case small that failed with d, and tells the note so. Nil means
	// that there is nothing to tell.
	shrink  func(ctx context.Context, c *corpus.Case, n *Note, d *corpus.Divergence) (*Finding, error)
	counts  *counts
	kept    *kept         // nil without a corpus
	perCase time.Duration // that the last batch took
	broken  error         // why no more is drawn, with several jobs; what has run is told
}

// Hunt runs random cases of one target against the oracle and shrinks what it
// finds. The same seed gives the same cases. It ends early, without an error,
// when ctx does.
func Hunt(ctx context.Context, b *run.Backends, t window.Target, o Options) (result Result, err error) {
	result.Target, result.Seed, result.Shard = t, o.Seed, o.Shard
	h, err := newHunter(b, t, o, &result)
	if err != nil {
		return result, err
	}
	defer func() { result.Elapsed = time.Since(h.start) }()
	defer result.skipped() // once all is counted
	timed := ctx
	if o.Time > 0 && h.traits.Foreign {
		// One case may take longer than that.
		var stop context.CancelFunc
		h.until = h.start.Add(o.Time)
		timed, stop = context.WithDeadline(ctx, h.until)
		defer stop()
	}
	h.pool = newPool(timed, b, h.backend, t, o.Jobs)
	defer func() {
		h.pool.close()
		result.LostJobs = h.pool.lostJobs()
	}()
	if h.countsAll() {
		h.counts.resume()
		defer func() {
			if h.counts.pause(); len(h.counts.all) > 0 {
				result.Counts = h.counts.all
			}
		}()
	}
	for x := range h.batches(timed, b, func() bool { return h.goesOn(timed) }) {
		failed := x.err != nil && timed.Err() == nil // what came of the cases before that one stands
		h.counted(x)
		h.timed(x)
		h.last = x.last
		for i, d := range x.found {
			err := h.judged(ctx, x.cases[i], x.numbers[i], d)
			if err == nil && d == nil && !x.skips(i) && !x.again {
				err = h.kept.agreed(x.cases[i])
			}
			if err != nil {
				return result, err
			}
		}
		if failed && h.broken == nil {
			h.broken = fmt.Errorf("cases %d to %d of seed %d: %w", x.numbers[0], x.last, o.Seed, x.err)
			if h.pool == nil {
				return result, h.broken
			}
			h.pool.stop() // what has run by now is still told
		}
		if failed {
			continue
		}
		h.noteBatch(x)
		if len(x.found) < len(x.cases) && timed.Err() == nil && h.broken == nil {
			result.Ended = cmp.Or(result.Ended, h.hung, "the device failed too often")
		}
	}
	if h.broken != nil {
		return result, h.broken
	}
	if err := h.kept.end(); err != nil {
		return result, err
	}
	result.Interrupted = ctx.Err() != nil
	if result.Cases == 0 && result.Ended == "" && !result.Interrupted && h.drawsOn() {
		result.Ended = fmt.Sprintf("no case came to its end in %s", o.Time)
	}
	return result, nil
}

func newHunter(b *run.Backends, t window.Target, o Options, result *Result) (*hunter, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	if o.Cases <= 0 && o.Time <= 0 && o.Steps <= 0 {
		return nil, fmt.Errorf("a hunt needs a number of cases or of steps, or a time")
	}
	backend, err := b.Of(t)
	if err != nil {
		return nil, err
	}
	o.Cases = o.Bound(t)
	h := &hunter{
		r: &Runner{Backends: b, ShrinkTime: o.shrinkTime()}, backend: backend, traits: backend.Traits(t), o: o, result: result, draw: draws(backend, t, o.Seed),
		most: maxFindings, start: time.Now(), seen: map[corpus.Failure][]int{}, hangs: map[string]int{}, unshrunk: map[corpus.Failure]bool{},
		counts: countsOf(backend),
	}
	h.shrink = h.minimize
	result.Foreign = h.traits.Foreign
	if h.unit = 1; h.traits.Foreign {
		h.unit = max(1, h.traits.Batch, h.traits.Together) // what is compiled as one, or shares a checkpoint
		h.most = maxForeignFindings
		if t.IsProgram() {
			result.Variants = map[string]Variant{}
		} else {
			result.Met = map[corpus.Feature]int{}
		}
	}
	if o.Corpus != nil {
		if h.kept, err = newKept(h, b, t); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// The time to shrink one finding, where the hunt has one and nothing else is said: a
// shrinkShare of it, so that one that takes long leaves time for others, but not less than
// leastShrinkTime, some thirty programs of a compiler.
const (
	shrinkShare     = 20
	leastShrinkTime = 20 * time.Second
)

func (o *Options) shrinkTime() time.Duration {
	if o.ShrinkTime > 0 || o.Time <= 0 {
		return o.ShrinkTime
	}
	return min(max(o.Time/shrinkShare, leastShrinkTime), DefaultShrinkTime)
}

// draws gives the random cases of a target that a backend can be asked, one a call.
func draws(backend run.Backend, t window.Target, seed uint64) func() *corpus.Case {
	draw := corpus.Draws(t, seed)
	if x, ok := backend.(run.Drawer); ok {
		draw = x.Draws(t, seed)
	}
	f, ok := backend.(run.Fitter)
	if !ok {
		return draw
	}
	return func() *corpus.Case {
		c := draw()
		f.Fit(c)
		return c
	}
}

// caught reports whether a known-bad target has been, by a case that may be met again.
func (h *hunter) caught() bool {
	t := h.result.Target
	if h.o.UntilCaught == 0 || t.Sound() || len(h.result.Findings) == 0 {
		return false
	}
	return !slices.ContainsFunc(h.result.Findings, func(f Finding) bool {
		return rare(f.Small, f.Divergence) && f.Seen <= moreTries
	})
}

func (h *hunter) goesOn(ctx context.Context) bool {
	return ctx.Err() == nil && h.broken == nil && h.result.Ended == "" && !h.caught() &&
		(h.o.Cases <= 0 || h.last < h.o.Cases) &&
		(h.o.Time <= 0 || time.Since(h.start) < h.o.Time) &&
		!h.steppedEnough()
}

// steppedEnough reports whether all the steps were judged that the hunt has.
func (h *hunter) steppedEnough() bool { return h.o.Steps > 0 && h.result.Steps.Steps >= h.o.Steps }

// next draws the cases that are run next: those of its own shard among them.
func (h *hunter) next() *batch {
	if x := h.nextFailure(); x != nil {
		return x
	}
	n := max(1, h.traits.Batch)
	if h.o.Cases > 0 {
		n = min(n, h.o.Cases-h.drawn)
	}
	n = h.inTime(n)
	if h.unit > 1 {
		n = min(n, h.unit-h.drawn%h.unit)
	}
	x, first := &batch{}, h.drawn
	drawn := 0
	for size := int64(0); drawn < n && (h.traits.BatchBytes == 0 || size < h.traits.BatchBytes); drawn++ {
		c := h.draw()
		h.drawn++
		for _, b := range c.Program.Buffers {
			size += c.Shape.Bytes(b.Rows)
		}
		if h.o.Shard.has(h.drawn, h.unit) {
			x.cases, x.numbers = append(x.cases, c), append(x.numbers, h.drawn)
		}
	}
	h.turn(x, first)
	x.last = h.drawn
	return x
}

// judged takes note of what a case came to, and shrinks a new failure.
func (h *hunter) judged(ctx context.Context, c *corpus.Case, number int, d *corpus.Divergence) error {
	t, result := c.Target, h.result
	result.Cases++
	if result.Met != nil {
		for _, f := range corpus.FeaturesOf(c) {
			result.Met[f]++
		}
	}
	if h.o.Progress != nil {
		h.o.Progress(result.Cases)
	}
	if d == nil {
		return nil
	}
	if v, ok := result.Variants[t.Variant]; ok {
		v.Wrong++
		result.Variants[t.Variant] = v
	}
	failure := d.Failure(t)
	n := Note{Last: h.last, Number: number, Failure: &failure, After: time.Since(h.start) - h.shrinking}
	err := h.failed(ctx, c, &n, d)
	h.note(n)
	if err != nil {
		return fmt.Errorf("case %d of seed %d: %w", number, h.o.Seed, err)
	}
	return nil
}

// failed keeps the books of a case that failed, as the note says; a merge has the note
// alone, and may have a worker to ask.
func (h *hunter) failed(ctx context.Context, c *corpus.Case, n *Note, d *corpus.Divergence) error {
	result, failure := h.result, *n.Failure
	if failure.Fault == corpus.FaultHang {
		kind := failure.OpKind
		if h.hangs[kind]++; h.hangs[kind] == maxHangs {
			h.hung = hangsText(kind)
			if h.o.Cases <= 0 || n.Last < h.o.Cases { // else there is nothing left to end
				result.Ended = h.hung
			}
		}
	}
	if result.Foreign && failure.Target.IsProgram() {
		n.Case, n.Divergence = c, d // a merge tells it from others by what it does
	}
	drawn, explained := c, h.alike(failure, c)
	part, of, shows := h.unexplained(ctx, failure, c, n, d, explained)
	if !shows {
		if explained < 0 {
			explained = h.seen[failure][0]
		}
		f := &result.Findings[explained]
		f.Seen++
		return h.showsMore(ctx, f, c, n, d)
	}
	if part != c {
		c, d, failure = part, of, of.Failure(part.Target)
	}
	if len(result.Findings) == h.most {
		if !h.unshrunk[failure] {
			h.unshrunk[failure] = true
			if n.Case == nil {
				n.Case, n.Divergence = c, d
			}
		}
		return nil
	}
	f, err := h.shrink(ctx, c, n, d)
	if err != nil {
		return err
	}
	if drawn != c {
		f.Found, n.Part = drawn, c
	}
	small := f.Divergence.Failure(failure.Target)
	i, isNew := h.found(f, small)
	for _, of := range []corpus.Failure{*n.Failure, failure, small} {
		lost := of.Fault.OfProcess() && !small.Fault.OfProcess() // which explains no other that ends the worker
		if !lost && !slices.Contains(h.seen[of], i) {
			h.seen[of] = append(h.seen[of], i)
		}
	}
	if !isNew {
		return nil
	}
	return h.kept.failed(&result.Findings[i])
}

// hangsText says at what kind of operation a target hung maxHangs times.
func hangsText(kind string) string {
	switch kind {
	case corpus.WholeCase:
		return fmt.Sprintf("it hung at %d programs", maxHangs)
	case corpus.AmongOthers:
		return fmt.Sprintf("it hung %d times at several programs together", maxHangs)
	}
	return fmt.Sprintf("it hung %d times at %s", maxHangs, kind)
}

// minimize shrinks a new failure.
func (h *hunter) minimize(ctx context.Context, c *corpus.Case, n *Note, d *corpus.Divergence) (*Finding, error) {
	f := &Finding{Found: c, At: n.Number, Seen: 1, After: n.After}
	from := time.Now()
	if d.Fault != corpus.FaultHang || d.Batch != nil { // a hang of one is not run again, so that no backend is waited for
		defer h.alone()()
	}
	var err error
	f.Small, f.Divergence, f.Stats, err = h.r.Minimize(ctx, c, d)
	if err != nil && ctx.Err() != nil { // it was cut short: what was found stands
		f.Small, f.Divergence, f.Stats, err = cutAfter(c, d), d, shrink.Stats{Bounded: true}, nil
		f.Small.Expect = d.Expect()
	}
	if err != nil {
		return nil, err
	}
	f.Shrinking = time.Since(from)
	h.shrinking += f.Shrinking
	n.Finding = f
	return f, nil
}

// moreTries bounds the cases that are counted in the hope that they fail more
// often than the first that did: each takes up to countTime.
const moreTries = 10

// rare reports whether a race that was counted on a device with an order of its own
// showed too rarely to be met again.
func rare(c *corpus.Case, d *corpus.Divergence) bool {
	return c.Native() && d.Race != nil && d.Runs != nil && d.Runs.Wrong < enoughFailures
}

// showsMore puts a case in the place of a finding of the same failure that shows
// too rarely to be met again, if it shows more often.
func (h *hunter) showsMore(ctx context.Context, f *Finding, c *corpus.Case, n *Note, d *corpus.Divergence) error {
	if h.traits.Foreign || d == nil || d.Race == nil || !rare(c, f.Divergence) || f.Seen > moreTries {
		return nil
	}
	from := time.Now()
	defer h.alone()()
	small, d, stats, err := h.r.Minimize(ctx, c, d)
	switch {
	case ctx.Err() != nil: // it was cut short: what is known stands
		return nil
	case err != nil:
		return err
	}
	more := Finding{Found: c, Small: small, Divergence: d, Stats: stats, At: n.Number, Seen: f.Seen, After: f.After, Shrinking: f.Shrinking}
	if more.showsMoreThan(f) {
		*f, n.Finding = more, &more
		err = h.kept.failed(f)
	}
	f.Shrinking += time.Since(from)
	h.shrinking += time.Since(from)
	return err
}

// showsMoreThan reports whether a finding shows in a greater part of its runs.
func (f *Finding) showsMoreThan(other *Finding) bool {
	n, old := f.Divergence.Runs, other.Divergence.Runs
	return n != nil && old != nil && n.Wrong*old.Of > old.Wrong*n.Of
}
