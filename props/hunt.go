package props

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// HuntOptions says how long to hunt.
type HuntOptions struct {
	Seed     uint64
	Cases    int           // at most so many cases; 0 for no bound
	Time     time.Duration // at most so long; 0 for no bound
	Limit    int64         // bytes a case, 0 for corpus.DefaultLimit
	Timeout  time.Duration // of one call to a device of package gpu, 0 for gpu.DefaultTimeout
	Progress func(casesDone int)

	// Of hunts in workers.
	Worker     *worker.Client
	ShrinkTime time.Duration // of one finding, 0 for DefaultShrinkTime
	Shape      *impls.Shape  // of every case; nil draws it
	Without    []Feature     // what cases must not have, to hunt past a known fault
}

// Finding is one failure of a target.
type Finding struct {
	Found      *corpus.Case // as the hunt drew it
	Small      *corpus.Case // shrunk, with its outcome
	Divergence *corpus.Divergence
	At         int // the number of the case that found it, from 1
	Seen       int // cases that showed the same failure
	Stats      corpus.ShrinkStats
	// After is how long the hunt had run before it, the shrinking of earlier
	// findings left out; Shrinking is how long its own took.
	After, Shrinking time.Duration
}

// HuntResult is what a hunt in one target came to.
type HuntResult struct {
	Target      impls.Target
	Seed        uint64
	Cases       int
	Elapsed     time.Duration
	Findings    []Finding // different failures, in the order found
	Interrupted bool
	// Met counts the cases with each feature, of hunts in workers.
	Met map[Feature]int
	// Failed says that the hunt ended since the device failed too often.
	Failed bool
}

// maxFindings bounds the different failures that one hunt shrinks. A target
// has at most a handful: the operations × keys or values × hazards.
const maxFindings = 4

// maxWorkerFindings is that of a worker, which may have many faults, none of
// them known.
const maxWorkerFindings = 16

// Unexpected says why the result is a bad one, or is empty: a sound target
// diverged, or a known-bad one was not caught. A race is never required
// to show on a device with an order of its own.
func (r HuntResult) Unexpected() string {
	switch {
	case r.Target.Sound() && len(r.Findings) > 0:
		return "a sound target diverged"
	case !r.Target.Sound() && len(r.Findings) == 0 && !r.Interrupted && !(impls.OrdersItself(r.Target.Device) && r.Target.Racy()):
		return "a known-bad target was not caught"
	}
	return ""
}

// Hunt runs random cases of one target against the oracle and shrinks what it
// finds. The same seed gives the same cases. It ends early, without an error,
// when ctx does.
func Hunt(ctx context.Context, t impls.Target, o HuntOptions) (result HuntResult, err error) {
	if err := t.Check(); err != nil {
		return result, err
	}
	if o.Cases <= 0 && o.Time <= 0 {
		return result, fmt.Errorf("a hunt needs a number of cases or a time")
	}
	r := NewRunner()
	r.Limit, r.Timeout = o.Limit, o.Timeout
	start := time.Now()
	result.Target, result.Seed = t, o.Seed
	defer func() { result.Elapsed = time.Since(start) }()
	seen := map[corpus.Failure]int{} // the finding's index
	most, shrinking := maxFindings, time.Duration(0)
	draw := Draws(t, o.Seed)
	batch := 1
	if impls.OnGPU(t.Device) {
		batch = gpuBatch
	}
	if t.Device == impls.Worker {
		r.Worker, r.ShrinkTime, r.Without = o.Worker, o.ShrinkTime, o.Without
		hello, err := o.Worker.Hello()
		if err != nil {
			return result, err
		}
		any := draw
		draw = func() *corpus.Case {
			c := any()
			fitWorker(c, hello, o.Shape, o.Without)
			return c
		}
		most = maxWorkerFindings
		if t.IsProgram() {
			batch = workerBatch
		}
	}
	for o.Cases <= 0 || result.Cases < o.Cases {
		if ctx.Err() != nil {
			result.Interrupted = true
			break
		}
		if o.Time > 0 && time.Since(start) >= o.Time {
			break
		}
		n := batch
		if o.Cases > 0 {
			n = min(n, o.Cases-result.Cases)
		}
		cases := make([]*corpus.Case, 0, n)
		for size := int64(0); len(cases) < n && size < batchBytes; {
			c := draw()
			cases = append(cases, c)
			for _, b := range c.Program.Buffers {
				size += c.Shape.Bytes(b.Rows)
			}
		}
		n = len(cases)
		all, err := r.runAll(ctx, cases)
		if ctx.Err() != nil && err != nil {
			result.Interrupted = true
			break
		}
		if err != nil {
			return result, fmt.Errorf("cases %d to %d of seed %d: %w", result.Cases+1, result.Cases+n, o.Seed, err)
		}
		for i, d := range all {
			result.Cases++
			if t.Device == impls.Worker && !t.IsProgram() {
				if result.Met == nil {
					result.Met = map[Feature]int{}
				}
				for _, f := range FeaturesOf(cases[i]) {
					result.Met[f]++
				}
			}
			if o.Progress != nil {
				o.Progress(result.Cases)
			}
			if d == nil {
				continue
			}
			if i, ok := seen[d.Failure(t)]; ok {
				result.Findings[i].Seen++
				continue
			}
			if len(result.Findings) == most {
				continue
			}
			f := Finding{Found: cases[i], At: result.Cases, Seen: 1, After: time.Since(start) - shrinking}
			from := time.Now()
			f.Small, f.Divergence, f.Stats, err = r.Minimize(ctx, cases[i], d)
			if err != nil {
				return result, err
			}
			f.Shrinking = time.Since(from)
			shrinking += f.Shrinking
			if i, ok := seen[f.Divergence.Failure(t)]; ok {
				result.Findings[i].Seen++ // what was left of it is known
				seen[d.Failure(t)] = i
				continue
			}
			seen[d.Failure(t)] = len(result.Findings)
			seen[f.Divergence.Failure(t)] = len(result.Findings)
			result.Findings = append(result.Findings, f)
		}
		if result.Failed = len(all) < len(cases); result.Failed {
			break
		}
	}
	return result, nil
}

// batchBytes ends a batch of programs early, so that it fits a message of the
// worker protocol: the buffers of the last one, which reaches it, take a quarter
// of corpus.DefaultLimit at most.
const batchBytes = worker.MaxMessage - worker.MaxHeader - corpus.DefaultLimit/4

// gpuBatch is the cases that a device of package gpu is given at once: some
// launches, so that one is recorded while another runs.
const gpuBatch = 2000

func (r *Runner) runAll(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	if impls.OnGPU(cases[0].Target.Device) {
		return r.RunAll(ctx, cases)
	}
	if len(cases) > 1 {
		return r.huntPrograms(ctx, cases)
	}
	d, err := r.Run(cases[0])
	return []*corpus.Divergence{d}, err
}

// maxDraw bounds the bytes that a case is decoded from: the header's ten and
// two for each of some twenty operations.
const maxDraw = 56

// Draws gives the random cases of a hunt, one a call.
func Draws(t impls.Target, seed uint64) func() *corpus.Case {
	h := fnv.New64a()
	h.Write([]byte(t.String()))
	rng := rand.New(rand.NewPCG(seed, h.Sum64()))
	buf := make([]byte, maxDraw)
	return func() *corpus.Case {
		b := buf[:4+rng.IntN(maxDraw-3)]
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		var c *corpus.Case
		if t.Update == "program" {
			c = corpus.DecodeProgram(b)
		} else {
			c = corpus.Decode(b)
		}
		c.Target = t
		if t.IsProgram() {
			c.Ops = nil
		}
		if impls.OrdersItself(t.Device) {
			c.Schedule = impls.Schedule{Kind: impls.Native}
		}
		return c
	}
}

// Minimize shrinks a case that shows d, keeping the same failure, and says
// what the small case expects. A race on a device that chooses its own order
// cannot be asked twice, and a device that fails takes too long to ask often,
// so such a case is left as it was found. A case on a device that follows the
// case's order is shrunk on sim, which then fails alike, and run on the device
// again in the end.
func (r *Runner) Minimize(ctx context.Context, c *corpus.Case, d *corpus.Divergence) (*corpus.Case, *corpus.Divergence, corpus.ShrinkStats, error) {
	if c.Target.Device == impls.Worker {
		return r.minimizeWorker(ctx, c, d)
	}
	free := impls.OrdersItself(c.Target.Device) || c.Schedule.Kind == impls.Native
	if free && d.Race != nil || d.Fault == corpus.FaultCrash || d.Fault == corpus.FaultHang {
		small := c.Clone()
		small.Expect = d.Expect()
		return small, d, corpus.ShrinkStats{Bounded: true}, nil
	}
	start := c
	if impls.OnGPU(c.Target.Device) {
		onSim := c.Clone()
		onSim.Target.Device = "sim"
		same, err := r.Run(onSim)
		if err == nil && same != nil && same.Failure(c.Target) == d.Failure(c.Target) {
			start = onSim
		}
	}
	want := d.Failure(start.Target)
	small, stats := corpus.Shrink(ctx, start, func(c *corpus.Case) bool {
		d, err := r.Run(c)
		return err == nil && d != nil && d.Failure(c.Target) == want
	})
	small = small.Clone()
	small.Target = c.Target
	want.Target = c.Target
	d, err := r.Run(small)
	if err == nil && (d == nil || d.Failure(c.Target) != want) {
		err = fmt.Errorf("%s: the shrunk case does not fail again: a case must have the same outcome each time", c.Target)
	}
	if err != nil {
		return nil, nil, stats, err
	}
	small.Expect = d.Expect()
	return small, d, stats, nil
}
