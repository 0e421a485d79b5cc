package hunt

import (
	"context"
	"fmt"
	"math"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// Verdict is what replaying a case came to.
type Verdict struct {
	// OK: the outcome is the one that the case expects; without an expectation,
	// that it agrees with the oracle.
	OK bool
	// Divergence is the first of those that decided, nil where they agreed.
	Divergence *corpus.Divergence
	// Runs counts the runs that diverged as Divergence did, Others those that
	// diverged in another way.
	Runs   corpus.Runs
	Others int
	// Undecided counts the runs of an engine that could not be judged: what they showed
	// agrees, and is too far from whole numbers in too many steps.
	Undecided int

	expect *corpus.Expect
	native bool
	asked  int
	cut    bool // the context ended
}

// Replay runs a case times times, or, for 0, as often as its rate says it was
// run before, else once, and compares with what it expects. In an order that the
// case gives every run must meet that. Where the device orders the blocks, a
// divergence that is expected need show once, and agreement each time.
func (r *Runner) Replay(ctx context.Context, c *corpus.Case, times int) (Verdict, error) {
	want := c.Expect
	if want == nil {
		want = &corpus.Expect{OK: true}
	}
	v := Verdict{expect: c.Expect, native: c.Native(), asked: times}
	if times == 0 {
		v.asked = max(1, want.Rate.Of)
	}
	s, err := r.Sample(ctx, c, v.asked)
	v.cut = ctx.Err() != nil
	if err != nil {
		return v, err
	}
	if len(s.Each) == 0 {
		if err := ctx.Err(); err != nil {
			return v, err
		}
		return v, fmt.Errorf("%s: the device failed before a run came to its end", c.Target)
	}
	met := 0
	var hit, miss *corpus.Divergence // the first of each
	missed := false
	for _, d := range s.Each {
		switch {
		case want.Matches(d):
			if met++; met == 1 {
				hit = d
			}
		case !missed || miss == nil:
			miss, missed = d, true
		}
	}
	v.OK = met == len(s.Each) || v.native && !want.OK && met > 0
	if v.Divergence = miss; v.OK {
		v.Divergence = hit
	}
	if v.Undecided = s.Undecided; v.Undecided > 0 && want.OK {
		v.OK = false // nobody can say that it agrees
	}
	v.Runs.Of, v.Runs.Different = len(s.Each), s.Different
	for _, d := range s.Each {
		switch {
		case d == nil:
		case v.Divergence == nil || d.Failure(c.Target) == v.Divergence.Failure(c.Target):
			v.Runs.Add(d.Wrong)
		default:
			v.Others++
		}
	}
	return v, nil
}

// String is the verdict in a line.
func (v Verdict) String() string {
	text := "agrees with the oracle"
	if v.Divergence != nil {
		d := *v.Divergence
		if d.Runs = nil; v.native && v.Runs.Of > 1 {
			d.Runs = &v.Runs
		}
		text = "diverges: " + d.String()
	}
	if v.Undecided > 0 && v.Divergence == nil {
		text = fmt.Sprintf("not run: %d: so many steps are undecided that it could not be judged", v.Undecided)
	}
	switch {
	case v.expect != nil && v.OK:
		text += "; as expected"
	case v.tooFewRuns():
		r := v.expect.Rate
		text += fmt.Sprintf("; not seen again in %s, too few to tell: its rate was %d of %d, which --times %d without it would exclude", corpus.Plural(v.Runs.Of, "run"), r.Wrong, r.Of, runsToExclude(share(r)))
	case v.expect != nil:
		text += fmt.Sprintf("; NOT AS EXPECTED: want %s", v.expect)
	}
	if v.native || v.asked > 1 {
		text += fmt.Sprintf(" (%d of %s diverged", v.Runs.Wrong, corpus.Plural(v.Runs.Of, "run"))
		if v.Others > 0 {
			text += fmt.Sprintf(", and %d in another way", v.Others)
		}
		if v.native && v.Runs.Wrong == 0 && v.Undecided == 0 {
			text += fmt.Sprintf("; a rate of %.2g %% or more is excluded at 95 %%", roundUp(100*excluded(v.Runs.Of)))
		}
		text += ")"
	}
	switch left := v.asked - v.Runs.Of; {
	case left == 0:
	case v.cut:
		text += "; interrupted"
	default:
		text += fmt.Sprintf("; %s not run, for the device failed too often", corpus.Plural(left, "run"))
	}
	return text
}

// tooFewRuns reports whether what is expected did not show, nor anything else, in so few runs
// that its rate is not excluded.
func (v Verdict) tooFewRuns() bool {
	return !v.OK && v.native && v.Divergence == nil && v.Undecided == 0 && v.expect != nil && v.expect.Rate.Wrong > 0 &&
		excluded(v.Runs.Of) > share(v.expect.Rate)
}

func share(r corpus.Rate) float64 { return float64(r.Wrong) / float64(r.Of) }

// runsToExclude is the least number of runs of which none diverged that exclude a rate below 1.
func runsToExclude(rate float64) int { return int(math.Ceil(math.Log(0.05) / math.Log1p(-rate))) }

// excluded is the least rate at which n runs of which none diverged come about
// in at most one of twenty times.
func excluded(n int) float64 { return 1 - math.Pow(0.05, 1/float64(n)) }

// roundUp is the least number of two digits that is not below x: one below it is
// not excluded.
func roundUp(x float64) float64 {
	digits := math.Pow(10, 1-math.Floor(math.Log10(x)))
	return math.Ceil(x*digits) / digits
}
