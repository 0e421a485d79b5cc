package hunt

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// batch is cases that a hunt runs together, and what they came to.
type batch struct {
	cases   []*corpus.Case
	numbers []int // of the cases among all that the hunt draws, from 1
	last    int   // the number of the last case that is drawn with these
	again   bool  // they failed once, in an earlier hunt

	found   []*corpus.Divergence
	skipped []bool // the cases that need not be run, which neither agree nor diverge; nil for none
	// counts is what the backend counted in them, where that is known apart from
	// all others.
	counts map[string]judge.Count
	steps  judge.EngineCounts // that it judged in them
	took   time.Duration
	err    error
	done   chan struct{} // closed once they have run; nil where the caller runs them
}

// run runs the cases that have not run on backends, whose backend for them counts in of, nil
// where none counts.
func (x *batch) run(ctx context.Context, b *run.Backends, of run.Counter) {
	first := len(x.found) // those before it ran elsewhere
	cases := x.cases[first:]
	if x.err = ctx.Err(); len(cases) == 0 || x.err != nil {
		return
	}
	var from map[string]judge.Count
	if of != nil {
		from = of.Counts()
	}
	backend, _ := b.Of(x.cases[0].Target) // Run says what is wrong with it
	stepper, counts := backend.(run.Stepper)
	if counts {
		stepper.Steps() // the shrinker's are left out
	}
	// A compiler's process starts as long as hundreds of programs run, and so again after a
	// shrink that was cut short.
	if s, ok := backend.(run.Starter); ok {
		if x.err = s.Start(ctx); x.err != nil {
			return
		}
	}
	start := time.Now()
	found, err := b.Run(ctx, cases)
	took := time.Since(start)
	x.took += took
	if counts {
		steps := stepper.Steps()
		steps.Running = took
		x.steps = addSteps(x.steps, steps)
	}
	var skipped *run.SkippedError
	if errors.As(err, &skipped) { // the backend has counted it
		found, err = make([]*corpus.Divergence, len(cases)), nil
		x.skip(first, []bool{true})
	} else if s, ok := backend.(run.Skipper); ok {
		x.skip(first, s.Skipped())
	}
	x.found, x.err = append(x.found, found...), err
	if of != nil {
		if x.counts == nil {
			x.counts = map[string]judge.Count{}
		}
		addCounts(x.counts, of.Counts(), from)
	}
}

// skip notes which of the cases from first on need not be run.
func (x *batch) skip(first int, skipped []bool) {
	if len(skipped) > 0 {
		x.skipped = append(append(x.skipped, make([]bool, first-len(x.skipped))...), skipped...)
	}
}

// skips reports whether a case of the batch need not be run.
func (x *batch) skips(i int) bool { return i < len(x.skipped) && x.skipped[i] }

// aheadBatches is how many batches for each backend are drawn and run while the
// first of them is waited for or shrunk: a hang takes two minutes, and so may a
// shrink. What ran in vain is at most that, and only where the target ended the
// hunt itself.
const aheadBatches = 64

// LostJob is one of several processes of a hunt whose process did not start, at first or again.
// The others ran its cases.
type LostJob struct {
	Job, Of int    // its number, from 1, and how many there were to be
	Ran     bool   // it had started before
	Why     string // it did not start
}

func (l LostJob) String() string {
	if l.Ran {
		return fmt.Sprintf("job %d of %d is lost: %s", l.Job, l.Of, l.Why)
	}
	return fmt.Sprintf("job %d of %d could not start: %s", l.Job, l.Of, l.Why)
}

// pool runs batches on several backends at once: the jobs, which have a number from 1.
type pool struct {
	work chan []*batch // those that one backend runs, one after the other
	// left are those that a job leaves whose process did not start, at most one of each.
	left chan []*batch
	all  []*job
	// kept is the job whose backends the shrinker has to itself, until the hunt has come to a
	// batch that has not run. While the others run ahead it would wait for a whole batch each
	// time else.
	kept  *job
	ended sync.WaitGroup
	stop  context.CancelFunc
	size  int

	mu   sync.Mutex
	jobs int // that are not lost
	lost []LostJob
}

// job is what runs batches one after the other.
type job struct {
	number int
	on     *run.Backends // the hunt's own, or those with another backend of the target's device
	of     run.Counter
	end    func()
	busy   sync.Mutex // held by who uses the backends: the job, or the shrinker
	lost   bool       // for good; read and set with busy
}

// newPool starts a pool of n, the hunt's own backends among them, or is nil where
// there is nothing to run at once.
func newPool(ctx context.Context, b *run.Backends, backend run.Backend, t window.Target, n int) *pool {
	spawner, ok := backend.(run.Spawner)
	if !ok || n < 2 {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	p := &pool{work: make(chan []*batch, n*aheadBatches), left: make(chan []*batch, n), stop: stop, size: n}
	of, _ := backend.(run.Counter)
	p.all = []*job{{number: 1, on: b, of: of, end: func() {}}}
	for len(p.all) < n {
		another, end := spawner.Spawn()
		if another == nil {
			break // the first does all
		}
		on := &run.Backends{Limit: b.Limit, ByDevice: maps.Clone(b.ByDevice)}
		on.ByDevice[t.Device] = another
		of, _ := another.(run.Counter)
		p.all = append(p.all, &job{number: len(p.all) + 1, on: on, of: of, end: end})
	}
	p.jobs = len(p.all)
	for _, j := range p.all {
		p.ended.Go(func() {
			defer j.end()
			p.do(ctx, j)
		})
	}
	return p
}

// do is what a job does: it runs batches until there are no more, or its process does
// not start. The others then run what it leaves; the last one tells the error of all that is
// left. A start that the end of the hunt cut short loses nothing: it had not all its tries.
func (p *pool) do(ctx context.Context, j *job) {
	ran := false
	for group := range p.groups {
		for i, x := range group {
			before := len(x.found)
			j.busy.Lock()
			x.run(ctx, j.on, j.of)
			ran = ran || len(x.found) > before
			why := notStarted(x)
			down := why != nil && ctx.Err() == nil
			if down {
				j.lost = p.lose(LostJob{Job: j.number, Of: p.size, Ran: ran, Why: why.Error()})
			}
			j.busy.Unlock()
			switch {
			case !down:
				close(x.done)
				continue
			case j.lost:
				p.left <- group[i:]
			default:
				p.fail(fmt.Errorf("job %d of %d, the last one left: %w", j.number, p.size, why), group[i:])
			}
			return
		}
	}
}

// keep is the backends of the first job that is not lost, for the shrinker alone until release.
func (p *pool) keep() *run.Backends {
	for _, j := range p.all {
		if j.busy.Lock(); !j.lost {
			p.kept = j
			break
		}
		j.busy.Unlock()
	}
	return p.kept.on // the last one is never lost
}

// notStarted is the error of a batch whose process did not start, nil of any other.
func notStarted(x *batch) error {
	var not *run.NotStartedError
	if errors.As(x.err, &not) {
		return not
	}
	return nil
}

// groups gives the batches that a job runs: first what others left.
func (p *pool) groups(yield func(group []*batch) bool) {
	for {
		var group []*batch
		select {
		case group = <-p.left:
		default:
			more := true
			select {
			case group = <-p.left:
			case group, more = <-p.work:
			}
			if !more {
				return
			}
		}
		if !yield(group) {
			return
		}
	}
}

// lose notes that a job is lost and reports whether there is another, or else notes nothing.
func (p *pool) lose(l LostJob) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.jobs == 1 {
		return false
	}
	p.jobs--
	p.lost = append(p.lost, l)
	return true
}

// fail gives an error to batches and to all that is left, which nobody can run.
func (p *pool) fail(err error, group []*batch) {
	all := func(group []*batch) bool {
		for _, x := range group {
			x.err = err
			close(x.done)
		}
		return true
	}
	all(group)
	p.groups(all)
}

// lostJobs is the jobs that are lost, by their numbers. The pool is closed.
func (p *pool) lostJobs() []LostJob {
	if p == nil {
		return nil
	}
	slices.SortFunc(p.lost, func(a, b LostJob) int { return cmp.Compare(a.Job, b.Job) })
	return p.lost
}

// close ends what still runs.
func (p *pool) close() {
	if p == nil {
		return
	}
	p.stop()
	p.release()
	close(p.work)
	p.ended.Wait()
}

// release gives the backends that the shrinker has back to their job.
func (p *pool) release() {
	if p.kept != nil {
		p.kept.busy.Unlock()
		p.kept = nil
	}
}

// wait waits until a batch has run.
func (p *pool) wait(x *batch) {
	select {
	case <-x.done:
	default:
		p.release()
		<-x.done
	}
}

// addCounts adds to all what was counted beyond from.
func addCounts(all, to, from map[string]judge.Count) {
	for name, n := range to {
		sum, was := all[name], from[name]
		sum.Accepted += n.Accepted - was.Accepted
		sum.Refused += n.Refused - was.Refused
		sum.Among += n.Among - was.Among
		if sum != (judge.Count{}) {
			all[name] = sum
		}
	}
}

// batches gives the batches of a hunt in the order of their cases, each once it has
// run, and until more says that it is enough.
func (h *hunter) batches(ctx context.Context, b *run.Backends, more func() bool) func(yield func(*batch) bool) {
	return func(yield func(*batch) bool) {
		var waiting []*batch
		// What has run when the time is up is not lost.
		left := func() bool { return len(waiting) > 0 && h.result.Ended == "" && !h.caught() && !h.steppedEnough() }
		for more() || left() {
			for h.pool != nil && ctx.Err() == nil && h.broken == nil && len(waiting) < h.pool.size*aheadBatches && h.drawsOn() {
				group := h.nextGroup()
				waiting = append(waiting, group...)
				h.pool.work <- group
			}
			var x *batch
			switch {
			case h.pool == nil:
				x = h.next()
				x.run(ctx, b, h.counter())
			case len(waiting) == 0:
				return // the time was up meanwhile
			default:
				x, waiting = waiting[0], waiting[1:]
				h.pool.wait(x)
			}
			if !yield(x) {
				return
			}
		}
	}
}

// nextGroup draws the batches that one backend of the pool runs one after the other:
// those that share what takes long to make.
func (h *hunter) nextGroup() (group []*batch) {
	for {
		x := h.next()
		x.done = make(chan struct{})
		group = append(group, x)
		if h.drawn%h.unit == 0 || !h.drawsOn() {
			return group
		}
	}
}

// counter is the backend's where each batch is to be counted for itself.
func (h *hunter) counter() run.Counter {
	if h.countsAll() {
		return nil
	}
	return h.counts.of
}

// countsAll reports whether what the backend counts is counted as a whole: apart
// from all else each batch takes longer.
func (h *hunter) countsAll() bool { return h.pool == nil && h.o.Shard.Of == 0 }

// alone has the hunt's own backends to itself, uncounted, until the result is called or,
// of a pool, those of a job that is not lost, until it waits.
func (h *hunter) alone() func() {
	switch {
	case h.pool != nil && h.pool.kept == nil:
		h.r.Backends = h.pool.keep()
	case h.countsAll():
		h.counts.pause()
		return h.counts.resume
	}
	return func() {}
}

// drawsOn reports whether there are cases left to be drawn.
func (h *hunter) drawsOn() bool { return h.o.Cases <= 0 || h.drawn < h.o.Cases }

// counted adds what the backend counted in a batch.
func (h *hunter) counted(x *batch) {
	h.result.Steps = addSteps(h.result.Steps, x.steps)
	if len(x.counts) == 0 {
		return // counted as a whole, or not at all
	}
	if h.result.Counts == nil {
		h.result.Counts = map[string]judge.Count{}
	}
	addCounts(h.result.Counts, x.counts, nil)
}
