package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/shrink"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/hunt"
)

// The last line says what is wrong, an error first, and "nothing unexpected" of nothing else.
func TestLastLine(t *testing.T) {
	of := func(err error, unexpected string, notRun bool) *outcome {
		return &outcome{job: job{target: window.WorkerTarget("x")}, err: err, unexpected: unexpected, notRun: notRun}
	}
	good, failed, wrong, left := of(nil, "", false), of(errors.New("no"), "", false), of(nil, "it diverged", false), of(nil, "", true)
	for want, x := range map[string]struct {
		all         []*outcome
		interrupted bool
	}{
		"nothing unexpected": {[]*outcome{good}, false},
		"1 error":            {[]*outcome{good, failed}, false},
		"1 error; 1 unexpected: worker/x (it diverged)":                           {[]*outcome{wrong, failed}, false},
		"1 unexpected: worker/x (it diverged)":                                    {[]*outcome{wrong}, false},
		"interrupted, nothing unexpected so far":                                  {[]*outcome{good}, true},
		"1 error; interrupted; 1 target not run":                                  {[]*outcome{failed, left}, true},
		"nothing unexpected; 1 target not run: the time was up, give more --time": {[]*outcome{left}, false},
	} {
		var out strings.Builder
		(&textPrinter{w: &out}).end(x.all, summarize(x.all, x.interrupted, 0))
		_, got, _ := strings.Cut(strings.TrimSpace(out.String()), ": ")
		assert.Equal(t, want, got)
	}
}

// A rate is never told as a power of ten.
func TestPerSecond(t *testing.T) {
	for n, want := range map[float64]string{0.0299: "0.0299 a second", 12.34: "12.3 a second", 999.4: "999 a second", 1230.4: "1230 a second"} {
		assert.Equal(t, want, perSecond(n))
	}
}

// The first finding is told with its case, and a smaller one with its own.
func TestDivergedWords(t *testing.T) {
	c, err := corpus.Parse("small", []byte("slidefuzz case v1\nshape batch=1 heads=1 window=1 dim=1 dtype=U8 layout=heads-first\n"+
		"target program/worker\nblock 1\nschedule native\nbuffer x 2\nx[[1, 0]] = x[0:2]\n"), corpus.DefaultLimit)
	require.NoError(t, err)
	bigger := c.Clone()
	bigger.Shape.Dim = 3
	found := func(at int, c *corpus.Case) hunt.Finding {
		return hunt.Finding{At: at, Small: c, Divergence: &corpus.Divergence{Op: 1}}
	}
	o := &outcome{job: job{target: c.Target}, Result: hunt.Result{Target: c.Target, Findings: []hunt.Finding{found(5, c)}}}
	assert.Contains(t, o.words(), "DIVERGED at case 5: buffer x 2, 1 lane, dim 1")
	o.Findings = []hunt.Finding{found(5, bigger), found(38, c)}
	assert.Contains(t, o.words(), "DIVERGED at case 5, smallest from case 38: buffer x 2, 1 lane, dim 1")
	o.Findings[1].Stats.Bounded = true
	assert.Contains(t, o.words(), "DIVERGED at case 5: buffer x 2, 1 lane, dim 3", "the other was not shrunk to its end")
}

// What was cut short does not pass for what is smallest.
func TestShrunkWords(t *testing.T) {
	f := hunt.Finding{Shrinking: 24800 * time.Millisecond}
	assert.Equal(t, "shrunk in 24.8s", shrunkWords(&f))
	f.Stats.Bounded = true
	assert.Equal(t, "not shrunk to its end in 24.8s", shrunkWords(&f))
}

// A case that is not smaller does not pass for a shrunk one.
func TestShrunkInRuns(t *testing.T) {
	d := &corpus.Divergence{Fault: corpus.FaultRows}
	assert.Equal(t, "not smaller after 30 runs", shrunkInRuns(d, shrink.Stats{Runs: 30}, false))
	assert.Equal(t, "shrunk in 30 runs", shrunkInRuns(d, shrink.Stats{Runs: 30}, true))
	assert.Equal(t, "not shrunk to its end in 30 runs", shrunkInRuns(d, shrink.Stats{Runs: 30, Bounded: true}, false))
	c, err := corpus.Parse("c", []byte("slidefuzz case v1\nshape batch=1 heads=1 window=1 dim=1 dtype=U8 layout=heads-first\n"+
		"target program/drop-clone/sim\nblock 1\nschedule ascending\nbuffer x 3\nx[1:3] = clone(x[0:2])\n"), corpus.DefaultLimit)
	require.NoError(t, err)
	_, small, stderr := call(t, string(c.Text()), "minimize", "-")
	assert.NotEmpty(t, small, stderr)
	_, _, stderr = call(t, small, "minimize", "-")
	assert.Regexp(t, `, not smaller after \d+ runs?`, stderr)
}

// What was wrong only among others stands beside what was wrong.
func TestVariantText(t *testing.T) {
	v := hunt.Variant{Cases: 1168, Wrong: 13, Among: 2, Skipped: 3, Running: 556 * time.Second}
	assert.Equal(t, "variant jit: 1168 programs, 13 wrong, 2 wrong only among others, 3 skipped by a documented limit, 2.1 a second", variantText("jit", v))
	assert.Equal(t, "1 program, 0 wrong", variantText("", hunt.Variant{Cases: 1}))
}

// A hunt that ended with its last case left none.
func TestCasesNotRun(t *testing.T) {
	o := &outcome{bound: 4, Result: hunt.Result{Cases: 3, Ended: "it hung at 3 programs"}}
	assert.Equal(t, "1, for it hung at 3 programs", o.casesNotRun())
	o.Cases = 4
	assert.Empty(t, o.casesNotRun())
	o.bound = 0
	assert.Equal(t, "the rest, for it hung at 3 programs", o.casesNotRun())
}
