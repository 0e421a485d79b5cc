package props

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"runtime"
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/gpu"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// recording is a case as a script for a device, and what is needed to say what
// a failed check means.
type recording struct {
	c       *corpus.Case
	script  *inplace.Script
	checks  []check            // by step
	plans   []*inplace.Plan    // of each operation, nil where nothing ran
	refused []bool             // of each operation
	fault   *corpus.Divergence // of the contract, at the operation after the script's last
	program *inplace.Plan      // of a program
	starts  map[int]int        // of a program: the first kernel of a statement
	labels  *oracle.History    // rows are labels, lanes are batch entries
	saved   map[int]*oracle.History
}

// check says what a Check step looks at.
type check struct {
	op     int
	tensor int
	where  string // "stored", "returned" or "caller"
}

// How often a case is run that leaves the order to a device: a known-bad
// target ten times, so that results which differ from run to run are seen to;
// a sound one three times, since all its runs must be right.
const (
	nativeRuns      = 10
	soundNativeRuns = 3
)

// RunAll runs cases of devices of package gpu, many at once. The results are
// in the order of the cases, and fewer than the cases where the device failed
// too often. An error says that a case has no meaning, or that there is no
// device.
func (r *Runner) RunAll(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	device, err := gpu.Open(DeviceName(cases[0].Target.Device))
	if err != nil {
		return nil, err
	}
	device.SetTimeout(r.Timeout)
	parts := slices.Collect(slices.Chunk(cases, gpuPart))
	if len(parts) == 1 {
		return r.runPart(ctx, device, cases)
	}
	// A worker records its next part while the device runs another's.
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
	n := min(maxWorkers, runtime.GOMAXPROCS(0), len(parts))
	for len(r.workers) < n {
		r.workers = append(r.workers, NewRunner())
	}
	for k, w := range r.workers[:n] {
		w.Limit, w.NativeRuns = r.Limit, r.NativeRuns
		go func() {
			for i := k; i < len(parts); i += n {
				d, err := w.runPart(ctx, device, parts[i])
				results[i] <- result{d, err}
			}
		}()
	}
	// All are waited for: a worker that still runs is no worker to use again.
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

// maxWorkers bounds who records cases: on an H200 a part takes the device 2.5 ms
// and a recorder 30 ms or more.
const maxWorkers = 8

// runPart records cases, runs them and judges them.
func (r *Runner) runPart(ctx context.Context, device *gpu.Device, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	var scripts []*inplace.Script
	recordings := make([]*recording, len(cases))
	first := make([]int, len(cases)+1)
	for i, c := range cases {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := r.check(c); err != nil {
			return nil, err
		}
		rec, err := r.record(c)
		if err != nil {
			return nil, err
		}
		recordings[i] = rec
		for range r.runs(c) {
			scripts = append(scripts, rec.script)
		}
		first[i+1] = len(scripts)
	}
	results, err := device.Run(ctx, scripts)
	if err != nil {
		return nil, err
	}
	all := make([]*corpus.Divergence, 0, len(cases))
	for i, rec := range recordings {
		of := results[first[i]:first[i+1]]
		if of[0].NotRun {
			break
		}
		d, err := r.judgeRuns(rec, of)
		if err != nil {
			return all, err
		}
		all = append(all, d)
	}
	return all, nil
}

// gpuPart is the cases of one launch: thousands of groups, whose records take a
// few megabytes.
const gpuPart = 500

// runs is how often a case is run.
func (r *Runner) runs(c *corpus.Case) int {
	switch {
	case c.Schedule.Kind != inplace.Native || window.OrdersItself(c.Target.Device):
		return 1
	case r.NativeRuns > 0:
		return r.NativeRuns
	case c.Target.Sound():
		return soundNativeRuns
	}
	return nativeRuns
}

// DeviceName is the device of package gpu that runs a target's scripts.
func DeviceName(target string) string {
	if target == "cuda-graph" {
		return "cuda"
	}
	return target
}

// sampleOnDevice runs a case n times on a device of package gpu.
func (r *Runner) sampleOnDevice(ctx context.Context, c *corpus.Case, n int) (s Sampled, err error) {
	device, err := gpu.Open(DeviceName(c.Target.Device))
	if err != nil {
		return s, err
	}
	device.SetTimeout(r.Timeout)
	rec, err := r.record(c)
	if err != nil {
		return s, err
	}
	different := map[uint64]bool{}
	// A few at a time: each takes the memory of the case on the device.
	for len(s.Each) < n && ctx.Err() == nil {
		results, err := device.Run(ctx, slices.Repeat([]*inplace.Script{rec.script}, min(nativeRuns, n-len(s.Each))))
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
			d, err := r.judgeRuns(rec, results[i:i+1])
			if err != nil {
				return s, err
			}
			if results[i].Failed {
				different[outcomeOf(results[i])] = true
			}
			s.Each = append(s.Each, d)
		}
	}
	s.Different = len(different)
	return s, nil
}

// outcomeOf tells results apart.
func outcomeOf(r gpu.Result) uint64 {
	h := fnv.New64a()
	fmt.Fprintln(h, r.Step)
	h.Write(r.Memory)
	return h.Sum64()
}

// judgeRuns makes one divergence of the results of a case.
func (r *Runner) judgeRuns(rec *recording, results []gpu.Result) (*corpus.Divergence, error) {
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
			d = r.meaning(rec, res.Outcome)
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

// record makes the script of a case.
func (r *Runner) record(c *corpus.Case) (*recording, error) {
	code, err := r.encoding(c.Shape)
	if err != nil {
		return nil, err
	}
	r.c, r.order = c, r.orderOf(c.Schedule)
	rec := &recording{c: c}
	if p, ok := c.TheProgram(); ok {
		r.recordProgram(rec, p)
	} else if err := r.recordCache(rec); err != nil {
		return nil, err
	}
	s := rec.script
	s.Code.Codes, s.Code.Stride, s.Code.Half, s.Code.Low, s.Code.High, s.Code.Offsets = code.Form()
	s.Native = c.Schedule.Kind == inplace.Native || window.OrdersItself(c.Target.Device)
	s.Graph = c.Target.Device == "cuda-graph"
	return rec, nil
}

func (r *Runner) recordCache(rec *recording) error {
	c, s := rec.c, rec.c.Shape
	engine, err := r.engine(c)
	if err != nil {
		return err
	}
	cache, recorder := engine.Record()
	cache.Order = r.blockOrder
	rec.script = recorder.Script
	// Most steps are decodes: two fills, two or four kernels, four checks.
	rec.script.Steps = slices.Grow(rec.script.Steps, 12*len(c.Ops)+8)
	rec.labels, rec.saved = oracle.NewHistory(s.Batch, s.Window, labelBytes), map[int]*oracle.History{}
	stored := func() {
		labels := rec.window(s)
		for t := range 2 {
			rec.note(check{r.op, t, "stored"})
			recorder.CheckCache(t, labels)
		}
	}
	r.op = 0
	stored()
	for i := range c.Ops {
		r.op = i
		o := &c.Ops[i]
		refused := false
		switch o.Kind {
		case corpus.Append:
			refused = r.recordAppend(rec, cache, recorder, o)
			if rec.fault != nil {
				return nil
			}
		case corpus.Reset:
			cache.Reset()
			rec.labels.Reset()
		case corpus.Crop:
			if refused = cache.Crop(o.N) != nil; !refused && o.N < rec.labels.Len() {
				rec.labels.Crop(o.N)
			}
		case corpus.Snapshot:
			if refused = cache.Snapshot(o.N) != nil; !refused {
				rec.saved[o.N] = rec.labels.Snapshot()
			}
		case corpus.Restore:
			if refused = cache.Restore(o.N) != nil; !refused {
				rec.labels.Restore(rec.saved[o.N])
			}
		}
		rec.refused = append(rec.refused, refused)
		var plan *inplace.Plan
		if o.Kind == corpus.Append && !refused {
			plan = cache.LastPlan()
		}
		rec.plans = append(rec.plans, plan)
		stored()
	}
	return nil
}

// recordAppend appends a chunk whose bytes nobody has yet.
func (r *Runner) recordAppend(rec *recording, cache *window.WindowCache, recorder *window.Recorder, o *corpus.Op) (refused bool) {
	s := rec.c.Shape
	odd := o.Shape(s)
	n, q := rec.labels.Len(), o.N
	labels := make([][]int32, s.Batch)
	for b := range labels {
		labels[b] = make([]int32, q)
		for i := range labels[b] {
			labels[b][i] = int32(n + i)
			if o.Pad != nil && i < o.Pad[b] {
				labels[b][i] = inplace.Padding
			}
		}
	}
	chunk := impls.Tensor{Batch: odd.Batch, Heads: odd.Heads, Rows: q, Dim: odd.Dim, DType: odd.DType}
	fills := len(rec.script.Steps)
	if odd == s {
		for t := range 2 {
			recorder.FillChunk(t, q, labels)
		}
	}
	_, _, err := cache.Update(chunk, chunk)
	allowed := odd == s && !(q == 0 || q > 1 && q <= s.Window && n+q > s.Window)
	switch {
	case err != nil && allowed:
		rec.fault = r.fault(corpus.FaultRefused, "-", err.Error())
	case err == nil && !allowed:
		rec.fault = r.fault(corpus.FaultAccepted, "-", fmt.Sprintf("%d rows after %d in a window of %d, which the contract refuses", q, n, s.Window))
	}
	if err != nil {
		rec.script.Steps = rec.script.Steps[:fills]
		return true
	}
	for b := range labels {
		rows := make([]byte, labelBytes*q)
		for i, l := range labels[b] {
			binary.LittleEndian.PutUint32(rows[labelBytes*i:], uint32(l))
		}
		rec.labels.AppendLane(oracle.Keys, b, rows)
		rec.labels.AppendLane(oracle.Values, b, rows)
	}
	rec.labels.Advance(q)
	for t := range 2 {
		rec.note(check{r.op, t, "caller"})
		recorder.CheckChunk(t, q, labels)
	}
	return false
}

// labelBytes is the size of a row of a history of labels.
const labelBytes = 4

// note says what the next step checks.
func (rec *recording) note(c check) {
	for len(rec.checks) < len(rec.script.Steps) {
		rec.checks = append(rec.checks, check{})
	}
	rec.checks = append(rec.checks, c)
}

// window is the labels of the rows of a buffer: live rows first, the rest
// empty.
func (rec *recording) window(s impls.Shape) [][]int32 {
	labels := make([][]int32, s.Batch)
	rows := make([]int32, s.Batch*s.Window)
	for b := range labels {
		live := rec.labels.Window(oracle.Keys, b)
		labels[b] = rows[b*s.Window : (b+1)*s.Window]
		for i := range labels[b] {
			labels[b][i] = inplace.Empty
			if labelBytes*i < len(live) {
				labels[b][i] = int32(binary.LittleEndian.Uint32(live[labelBytes*i:]))
			}
		}
	}
	return labels
}

// recordProgram makes the script of a program: positions number the rows of
// all buffers.
func (r *Runner) recordProgram(rec *recording, p inplace.Program) {
	c, s := rec.c, rec.c.Shape
	plan := inplace.Compile(p, c.Target.Lowering, s, c.Block)
	rec.program, rec.starts = plan, map[int]int{}
	rec.script = inplace.ProgramScript(plan, s)
	v := newLabels(p)
	for b := range p.Buffers {
		rec.script.Start(b, v.positions(b))
	}
	next := 0
	for i, stmt := range p.Stmts {
		r.op, rec.starts[i] = i, next
		start := next
		for ; next < len(plan.Kernels) && plan.Kernels[next].Stmt == i; next++ {
			k := plan.Kernels[next]
			rec.script.RunKernel(plan, k, r.namedOrder(stmt.Dst, next-start, k.Blocks()))
		}
		v.statement(stmt)
		for b := range p.Buffers {
			rec.note(check{i, b, "stored"})
			rec.script.CheckBuffer(b, v.positions(b))
		}
	}
	rec.starts[len(p.Stmts)] = next
}

// meaning says what a failed check means: the same words as for a case that
// was run here.
func (r *Runner) meaning(rec *recording, o inplace.Outcome) *corpus.Divergence {
	c, s := rec.c, rec.c.Shape
	r.c, r.order = c, r.orderOf(c.Schedule)
	r.code, _ = r.encoding(s) // record has had it
	at := rec.checks[o.Step]
	r.op = at.op
	if rec.program != nil {
		p, _ := c.TheProgram()
		return r.programFault(rec, p, at, o)
	}
	t := oracle.Tensor(at.tensor)
	if at.where == "caller" {
		return r.fault(corpus.FaultCaller, t.String(), "the update changed the caller's own tensor")
	}
	r.history.Resize(s.Lanes(), s.Window, s.RowBytes())
	clear(r.saved)
	for i := 0; i <= at.op && i < len(c.Ops); i++ {
		if !rec.refused[i] {
			r.remember(&c.Ops[i])
		}
	}
	r.cache, r.window, r.store = nil, nil, nil
	x := impls.TensorOver(s, s.Window, o.Memory)
	n := r.history.Len()
	where := "stored"
	if at.op < len(c.Ops) && c.Ops[at.op].Kind == corpus.Append && !rec.refused[at.op] && c.Ops[at.op].N <= s.Window {
		where = "returned" // the buffer itself
	}
	d := r.rowFault(&x, t, where, 0, max(0, n-s.Window), n, true)
	if at.op < len(rec.plans) {
		r.explain(d, t, rec.plans[at.op])
		if rec.refused[at.op] {
			r.refused = at.op + 1
			d = r.changed(d)
		}
	}
	return d
}

// remember does an operation to the history alone.
func (r *Runner) remember(o *corpus.Op) {
	switch o.Kind {
	case corpus.Append:
		n := r.history.Len()
		for i := range r.chunk {
			x := impls.NewTensor(r.c.Shape, o.N)
			r.fill(&x, oracle.Tensor(i), n, o.Pad)
			for lane := range x.Lanes() {
				for row := range o.N {
					r.history.AppendLane(oracle.Tensor(i), lane, x.Row(lane, row))
				}
			}
		}
		r.history.Advance(o.N)
	case corpus.Reset:
		r.history.Reset()
	case corpus.Crop:
		if o.N < r.history.Len() {
			r.history.Crop(o.N)
		}
	case corpus.Snapshot:
		r.saved[o.N] = r.history.Snapshot()
	case corpus.Restore:
		r.history.Restore(r.saved[o.N])
	}
}

// programFault says what is wrong in a buffer of a program.
func (r *Runner) programFault(rec *recording, p inplace.Program, at check, o inplace.Outcome) *corpus.Divergence {
	s := rec.c.Shape
	start := make([][]byte, len(p.Buffers))
	for b := range p.Buffers {
		start[b] = make([]byte, s.Lanes()*p.Buffers[b].Rows*s.RowBytes())
	}
	v := newValues(p, s, r.code, start)
	for i := 0; i <= at.op; i++ {
		v.statement(p.Stmts[i])
	}
	mem := make([][]byte, len(p.Buffers))
	mem[at.tensor] = bytes.Clone(o.Memory)
	return r.statementFault(v.compare(mem), p, rec.program, rec.starts[at.op], rec.starts[at.op+1], at.tensor)
}
