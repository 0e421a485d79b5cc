package gpu

import (
	"fmt"
	"math/rand"
	"slices"
	"testing"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// BenchmarkDevice is drawn small cases a second on a device: a launch for many,
// and a launch for each. Recording and reading back are part of it.
func BenchmarkDevice(b *testing.B) {
	for _, name := range []string{"opencl", "cuda"} {
		for _, n := range []int{1, batch, 4000} {
			b.Run(fmt.Sprintf("%s/%d-a-launch", name, n), func(b *testing.B) {
				device(b, name)
				r, rng := &Backend{Device: name}, newRand(1)
				all := 0
				for b.Loop() {
					cases := make([]*corpus.Case, n)
					for i := range cases {
						cases[i] = benchmarkCase(rng, name)
					}
					found, err := r.Run(b.Context(), cases)
					if err != nil {
						b.Fatal(err)
					}
					for i, d := range found {
						if d != nil {
							b.Fatal(d, string(cases[i].Text()))
						}
					}
					all += n
				}
				b.ReportMetric(float64(all)/b.Elapsed().Seconds(), "cases/s")
			})
		}
	}
}

// prefillAndDecodes is a case of the mix of props.BenchmarkRunner.
func prefillAndDecodes(r *rand.Rand) *corpus.Case {
	c := &corpus.Case{
		Shape: impls.Shape{Batch: 1 + r.Intn(2), Heads: 1 + r.Intn(3), Window: 1 + r.Intn(16), Dim: 1 + r.Intn(4)},
		Block: 64,
		Ops:   []corpus.Op{{Kind: corpus.Append, N: 1 + r.Intn(40)}},
	}
	for range r.Intn(21) {
		c.Ops = append(c.Ops, corpus.Op{Kind: corpus.Append, N: 1})
	}
	return c
}

// batchGoal is how many times as fast as a launch for each case a batch of many is to be.
const batchGoal = 20

// BenchmarkBatch is a batch against one launch a case, in turn, so that a machine whose
// speed drifts slows both alike. It says whether the goal is met, and what one launch's
// cases take where nothing else runs: recorded, encoded and run, judged.
func BenchmarkBatch(b *testing.B) {
	const together, alone = 4000, 200
	for _, name := range []string{"opencl", "cuda"} {
		b.Run(name, func(b *testing.B) {
			device(b, name)
			r, rng := &Backend{Device: name}, newRand(1)
			cases := make([]*corpus.Case, together)
			for i := range cases {
				cases[i] = benchmarkCase(rng, name)
			}
			timed := func(cases []*corpus.Case) time.Duration {
				start := time.Now()
				found, err := r.Run(b.Context(), cases)
				took := time.Since(start)
				if err != nil || slices.ContainsFunc(found, func(d *corpus.Divergence) bool { return d != nil }) {
					b.Fatal(err, found)
				}
				return took
			}
			timed(cases) // starts the device, and what is kept is made
			var batches, singles time.Duration
			n := 0
			for b.Loop() {
				batches += timed(cases)
				for i := range alone {
					singles += timed(cases[i : i+1])
				}
				n++
			}
			perBatch, perSingle := float64(n*together)/batches.Seconds(), float64(n*alone)/singles.Seconds()
			b.ReportMetric(perBatch, "batch-cases/s")
			b.ReportMetric(perSingle, "single-cases/s")
			b.ReportMetric(perBatch/perSingle, "times")
			verdict := "MISSED"
			if perBatch/perSingle >= batchGoal {
				verdict = "met"
			}
			b.Logf("a batch is %.1f times as fast as one launch a case, goal %d: %s; %s", perBatch/perSingle, batchGoal, verdict, phases(b, r, cases[:partCases]))
		})
	}
}

// phases says what the cases of one launch take, the best of five.
func phases(b *testing.B, r *Backend, cases []*corpus.Case) string {
	dev, err := r.open()
	if err != nil {
		b.Fatal(err)
	}
	rec := r.recorder(0)
	best := [3]time.Duration{time.Hour, time.Hour, time.Hour}
	for range 5 {
		var recordings []*recording
		var traces []*inplace.Trace
		rec.forget()
		start := time.Now()
		for _, c := range cases {
			x, err := rec.record(b.Context(), c)
			if err != nil {
				b.Fatal(err)
			}
			recordings, traces = append(recordings, x), append(traces, x.trace)
		}
		recorded := time.Now()
		results, err := dev.Run(b.Context(), traces)
		if err != nil {
			b.Fatal(err)
		}
		ran := time.Now()
		for i, x := range recordings {
			if _, err := rec.judge(x, results[i:i+1]); err != nil {
				b.Fatal(err)
			}
		}
		for i, d := range [...]time.Duration{recorded.Sub(start), ran.Sub(recorded), time.Since(ran)} {
			best[i] = min(best[i], d)
		}
	}
	return fmt.Sprintf("a launch of %d cases: recorded in %v, encoded and run in %v, judged in %v", len(cases), best[0], best[1], best[2])
}

// BenchmarkRecord is cases recorded a second, on one core: what a batch costs before any
// device sees it.
func BenchmarkRecord(b *testing.B) {
	r, rng, all := newRecorder(), newRand(1), 0
	cases := make([]*corpus.Case, partCases)
	for i := range cases {
		cases[i] = benchmarkCase(rng, "cuda")
	}
	b.ReportAllocs()
	for b.Loop() {
		r.forget()
		for _, c := range cases {
			if _, err := r.record(b.Context(), c); err != nil {
				b.Fatal(err)
			}
		}
		all += len(cases)
	}
	b.ReportMetric(float64(all)/b.Elapsed().Seconds(), "cases/s")
}

// benchmarkCase is a sound case of the mix in a forced order.
func benchmarkCase(rng *rand.Rand, device string) *corpus.Case {
	c := prefillAndDecodes(rng)
	c.Schedule = inplace.Schedule{Kind: inplace.Descending}
	c.Target = window.Target{Update: "roll", Lowering: inplace.Fused, Device: device}
	return c
}

func newRand(seed int64) *rand.Rand { return rand.New(rand.NewSource(seed)) }
