// Package gpu is the backend of OpenCL and CUDA devices: cases become traces
// that a device runs many at once.
package gpu

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"runtime"
	"slices"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/gpu"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// Backend runs cases on one device of package gpu.
type Backend struct {
	// Device is a device of targets: opencl, cuda or cuda-graph.
	Device string
	// Timeout is how long the device may take for one call, 0 for
	// gpu.DefaultTimeout.
	Timeout time.Duration
	// NativeRuns is how often a case is run that leaves the order to the device;
	// 0 for 10, or 3 of a sound target.
	NativeRuns int

	recorders []*recorder
}

// Add gives b the devices of package gpu. A device is started when it is needed
// first; then it turns out whether the machine has it.
func Add(b *run.Backends, timeout time.Duration) {
	for _, name := range window.Devices() {
		if window.OnGPU(name) {
			b.ByDevice[name] = &Backend{Device: name, Timeout: timeout}
		}
	}
}

// DeviceName is the device of package gpu that runs a target's traces.
func DeviceName(target string) string {
	if target == "cuda-graph" {
		return "cuda"
	}
	return target
}

// batch is the cases that a hunt hands over at once: some launches, so that one
// is recorded while another runs.
const batch = 2000

// Traits implements run.Backend.
func (b *Backend) Traits(window.Target) run.Traits {
	return run.Traits{Batch: batch, AsSim: true}
}

// How often a case is run that leaves the order to a device: a known-bad
// target ten times, so that results which differ from run to run are seen to;
// a sound one three times, since all its runs must be right.
const (
	nativeRuns      = 10
	soundNativeRuns = 3
)

func (b *Backend) open() (*gpu.Device, error) {
	device, err := gpu.Open(DeviceName(b.Device))
	if err != nil {
		return nil, err
	}
	device.SetTimeout(b.Timeout)
	return device, nil
}

// recorder is one of those who work side by side.
func (b *Backend) recorder(i int) *recorder {
	for len(b.recorders) <= i {
		b.recorders = append(b.recorders, newRecorder())
	}
	return b.recorders[i]
}

// Run implements run.Backend.
func (b *Backend) Run(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	device, err := b.open()
	if err != nil {
		return nil, err
	}
	parts := slices.Collect(slices.Chunk(cases, partCases))
	if len(parts) == 1 {
		return b.runPart(ctx, device, b.recorder(0), cases)
	}
	// A recorder records its next part while the device runs another's.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		divergences []*corpus.Divergence
		err         error
	}
	results := make([]chan result, len(parts))
	for i := range results {
		results[i] = make(chan result, 1)
	}
	n := min(maxRecorders, runtime.GOMAXPROCS(0), len(parts))
	b.recorder(n - 1) // all of them, before the first begins
	for k, r := range b.recorders[:n] {
		go func() {
			for i := k; i < len(parts); i += n {
				d, err := b.runPart(ctx, device, r, parts[i])
				results[i] <- result{d, err}
			}
		}()
	}
	// All are waited for: one that still runs is not to be used again.
	all := make([]*corpus.Divergence, 0, len(cases))
	var first error
	short := false
	for i, c := range results {
		res := <-c
		if short || first != nil {
			continue
		}
		all = append(all, res.divergences...)
		first = res.err
		if short = len(res.divergences) < len(parts[i]); short || first != nil {
			cancel()
		}
	}
	return all, first
}

// maxRecorders bounds who records cases: on an H200 a part takes the device 2.5
// ms and a recorder 30 ms or more.
const maxRecorders = 8

// partCases is the cases of one launch: thousands of groups, whose records take
// a few megabytes.
const partCases = 500

// runPart records cases, runs them and judges them.
func (b *Backend) runPart(ctx context.Context, device *gpu.Device, r *recorder, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	r.forget()
	var traces []*inplace.Trace
	recordings := make([]*recording, len(cases))
	first := make([]int, len(cases)+1)
	for i, c := range cases {
		rec, err := r.record(ctx, c)
		if err != nil {
			return nil, err
		}
		recordings[i] = rec
		for range b.runs(c) {
			traces = append(traces, rec.trace)
		}
		first[i+1] = len(traces)
	}
	results, err := device.Run(ctx, traces)
	if err != nil {
		return nil, err
	}
	all := make([]*corpus.Divergence, 0, len(cases))
	for i, rec := range recordings {
		of := results[first[i]:first[i+1]]
		if of[0].NotRun {
			break
		}
		d, err := r.judge(rec, of)
		if err != nil {
			return all, err
		}
		all = append(all, d)
	}
	return all, nil
}

// runs is how often a case is run.
func (b *Backend) runs(c *corpus.Case) int {
	switch {
	case c.Schedule.Kind != inplace.Native || window.OrdersItself(c.Target.Device):
		return 1
	case b.NativeRuns > 0:
		return b.NativeRuns
	case c.Target.Sound():
		return soundNativeRuns
	}
	return nativeRuns
}

// Sample implements run.Sampler.
func (b *Backend) Sample(ctx context.Context, c *corpus.Case, n int) (s run.Sampled, err error) {
	device, err := b.open()
	if err != nil {
		return s, err
	}
	r := b.recorder(0)
	r.forget()
	rec, err := r.record(ctx, c)
	if err != nil {
		return s, err
	}
	different := map[uint64]bool{}
	defer func() { s.Different = len(different) }()
	// A few at a time: each takes the memory of the case on the device.
	for len(s.Each) < n && ctx.Err() == nil {
		results, err := device.Run(ctx, slices.Repeat([]*inplace.Trace{rec.trace}, min(nativeRuns, n-len(s.Each))))
		if err != nil {
			if ctx.Err() != nil {
				break
			}
			return s, err
		}
		for i := range results {
			if results[i].NotRun {
				return s, nil
			}
			d, err := r.judge(rec, results[i:i+1])
			if err != nil {
				return s, err
			}
			if results[i].Failed {
				different[outcomeOf(results[i])] = true
			}
			s.Each = append(s.Each, d)
		}
	}
	return s, nil
}

// outcomeOf tells results apart.
func outcomeOf(r gpu.Result) uint64 {
	h := fnv.New64a()
	fmt.Fprintln(h, r.Step)
	h.Write(r.Memory)
	return h.Sum64()
}

// judge makes one divergence of the results of a case.
func (r *recorder) judge(rec *recording, results []gpu.Result) (*corpus.Divergence, error) {
	var d *corpus.Divergence
	runs := &corpus.Runs{Of: len(results)}
	different := map[uint64]bool{}
	for _, res := range results {
		var failed *gpu.FailedError
		switch {
		case errors.As(res.Err, &failed):
			d := &corpus.Divergence{Op: max(1, len(rec.c.Ops)), OpKind: corpus.WholeCase, Tensor: "-", Fault: corpus.FaultCrash, Detail: failed.Reason}
			if failed.Hung {
				d.Fault = corpus.FaultHang
			}
			return d, nil
		case res.NotRun:
			continue
		case res.Err != nil:
			return nil, res.Err
		case !res.Failed:
			continue
		}
		if d == nil {
			d = r.explain(rec, res.Outcome)
		}
		runs.Add(res.Wrong)
		different[outcomeOf(res)] = true
	}
	if d == nil {
		return rec.fault, nil
	}
	if len(results) > 1 {
		runs.Different = len(different)
		d.Runs = runs
	}
	return d, nil
}
