package props

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
)

// HuntOptions says how long to hunt.
type HuntOptions struct {
	Seed     uint64
	Cases    int           // at most so many cases; 0 for no bound
	Time     time.Duration // at most so long; 0 for no bound
	Limit    int64         // bytes a case, 0 for corpus.DefaultLimit
	Progress func(casesDone int)
}

// Finding is one failure of a target.
type Finding struct {
	Found      *corpus.Case // as the hunt drew it
	Small      *corpus.Case // shrunk, with its outcome
	Divergence *corpus.Divergence
	At         int // the number of the case that found it, from 1
	Stats      corpus.ShrinkStats
}

// HuntResult is what a hunt in one target came to.
type HuntResult struct {
	Target      impls.Target
	Seed        uint64
	Cases       int
	Elapsed     time.Duration
	Findings    []Finding // different failures, in the order found
	Interrupted bool
}

// maxFindings bounds the different failures that one hunt shrinks. A target
// has at most a handful: the operations × keys or values × hazards.
const maxFindings = 4

// Unexpected says why the result is a bad one, or is empty: a sound target
// diverged, or a known-bad one was not caught. A race on host is never
// required to show, since nobody chooses the order there.
func (r HuntResult) Unexpected() string {
	switch {
	case r.Target.Sound() && len(r.Findings) > 0:
		return "a sound target diverged"
	case !r.Target.Sound() && len(r.Findings) == 0 && !r.Interrupted && !(r.Target.Device == "host" && r.Target.Racy()):
		return "a known-bad target was not caught"
	}
	return ""
}

// Hunt runs random cases of one target against the oracle and shrinks what it
// finds. The same seed gives the same cases. It ends early, without an error,
// when ctx does.
func Hunt(ctx context.Context, t impls.Target, o HuntOptions) (HuntResult, error) {
	if err := t.Check(); err != nil {
		return HuntResult{}, err
	}
	if o.Cases <= 0 && o.Time <= 0 {
		return HuntResult{}, fmt.Errorf("a hunt needs a number of cases or a time")
	}
	r := NewRunner()
	r.Limit = o.Limit
	start := time.Now()
	result := HuntResult{Target: t, Seed: o.Seed}
	seen := map[corpus.Failure]bool{}
	draw := Draws(t, o.Seed)
	for o.Cases <= 0 || result.Cases < o.Cases {
		if ctx.Err() != nil {
			result.Interrupted = true
			break
		}
		if o.Time > 0 && time.Since(start) >= o.Time {
			break
		}
		c := draw()
		d, err := r.Run(c)
		if err != nil {
			return result, fmt.Errorf("case %d of seed %d: %w", result.Cases+1, o.Seed, err)
		}
		result.Cases++
		if o.Progress != nil {
			o.Progress(result.Cases)
		}
		if d == nil || seen[d.Failure(t)] || len(result.Findings) == maxFindings {
			continue
		}
		seen[d.Failure(t)] = true
		f := Finding{Found: c, At: result.Cases}
		f.Small, f.Divergence, f.Stats, err = r.Minimize(ctx, c, d)
		if err != nil {
			return result, err
		}
		result.Findings = append(result.Findings, f)
	}
	result.Elapsed = time.Since(start)
	return result, nil
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
		if t.Device == "host" {
			c.Schedule = impls.Schedule{Kind: impls.Native}
		}
		return c
	}
}

// Minimize shrinks a case that shows d, keeping the same failure, and says
// what the small case expects. A race on a device that chooses its own order
// cannot be asked twice, so such a case is left as it was found.
func (r *Runner) Minimize(ctx context.Context, c *corpus.Case, d *corpus.Divergence) (*corpus.Case, *corpus.Divergence, corpus.ShrinkStats, error) {
	if c.Target.Device != "sim" && d.Race != nil {
		small := c.Clone()
		small.Expect = d.Expect()
		return small, d, corpus.ShrinkStats{Bounded: true}, nil
	}
	want := d.Failure(c.Target)
	small, stats := corpus.Shrink(ctx, c, func(c *corpus.Case) bool {
		d, err := r.Run(c)
		return err == nil && d != nil && d.Failure(c.Target) == want
	})
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
