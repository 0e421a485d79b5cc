package gpu

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/oracle"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// recording is a case as a trace for a device, and what is needed to say what
// a failed check means.
type recording struct {
	c       *corpus.Case
	trace   *inplace.Trace
	checks  []check // by step
	ran     judge.Ran
	fault   *corpus.Divergence // of the contract, at the operation after the trace's last
	program *inplace.Plan      // of a program
	starts  []int              // of a program: the first kernel of each statement, and of the end
}

// check says what a Check step looks at.
type check struct {
	op, tensor int
	caller     bool // the caller's tensor, not the cache's
}

// note says what the next step checks.
func (rec *recording) note(c check) {
	for len(rec.checks) < len(rec.trace.Steps) {
		rec.checks = append(rec.checks, check{})
	}
	rec.checks = append(rec.checks, c)
}

// recorder records cases and says what the outcomes mean. What it has recorded is good
// until forget, which lets the memory of steps, most of what a recording takes, be used
// again.
type recorder struct {
	j       *judge.Judge
	engines *run.Engines
	steps   pool[inplace.Step]
	checks  pool[check]
}

func newRecorder() *recorder { return &recorder{j: judge.New(), engines: run.NewEngines()} }

// forget gives the memory of all recordings back.
func (r *recorder) forget() {
	r.steps.used, r.checks.used = 0, 0
}

// pool is memory of which lists take a piece each, one after the other.
type pool[T any] struct {
	all  []T
	used int
}

// take is an empty list with room for n, at the pool's end: keep says how much of it was
// used.
func (p *pool[T]) take(n int) []T {
	if len(p.all)-p.used < n {
		// What was handed out stays with who has it.
		p.all, p.used = make([]T, max(n, 2*len(p.all))), 0
	}
	return p.all[p.used:p.used:len(p.all)]
}

// keep is the list that take gave, filled: what comes after is for the next.
func (p *pool[T]) keep(list []T) []T {
	if len(list) <= len(p.all)-p.used {
		p.used += len(list)
	}
	return list[:len(list):len(list)]
}

// record makes the trace of a case.
func (r *recorder) record(ctx context.Context, c *corpus.Case) (*recording, error) {
	code, err := r.j.Encoding(c.Shape)
	if err != nil {
		return nil, err
	}
	rec := &recording{c: c}
	if p, ok := c.TheProgram(); ok {
		if what := lacks(p); what != "" {
			return nil, fmt.Errorf("%s: the kernel of a GPU copies cells as they are, and the program %s; sim and host run it", c.Target, what)
		}
		r.recordProgram(rec, p)
	} else if err := r.recordCache(ctx, rec); err != nil {
		return nil, err
	}
	s := rec.trace
	s.Code.Codes, s.Code.Stride, s.Code.Half, s.Code.Low, s.Code.High, s.Code.Offsets = code.ClosedForm()
	s.Native = c.Schedule.Kind == inplace.Native || window.OrdersItself(c.Target.Device)
	s.Graph = c.Target.Device == "cuda-graph"
	return rec, nil
}

// lacks says what the one kernel of a GPU cannot do of a program, "" for nothing.
func lacks(p inplace.Program) string {
	if p.Adds() {
		return "adds them"
	}
	for _, r := range p.Returns() {
		if r.Form == inplace.Transposed {
			return "returns a transposed value"
		}
	}
	return ""
}

// labelBytes is the size of a row of a history of labels.
const labelBytes = 4

func (r *recorder) recordCache(ctx context.Context, rec *recording) error {
	c := rec.c
	engine, err := r.engines.Of(c)
	if err != nil {
		return err
	}
	cache, notes := engine.Record()
	cache.Order = r.j.BlockOrder
	rec.trace = notes.Trace
	// Most operations are decodes: two fills, two or four kernels, four checks.
	most := 12*len(c.Ops) + 8
	rec.trace.Steps = append(r.steps.take(most), rec.trace.Steps...)
	rec.checks = r.checks.take(most)
	rec.ran = judge.Ran{Refused: make([]bool, len(c.Ops)), Plans: make([]*inplace.Plan, len(c.Ops))}
	n := &noted{Subject: run.Cache(cache), j: r.j, rec: rec, cache: cache, notes: notes}
	// Rows are labels, and lanes batch entries.
	rec.fault, err = r.j.Walk(ctx, c, n, oracle.Single, n, labelBytes)
	rec.trace.Steps, rec.checks = r.steps.keep(rec.trace.Steps), r.checks.keep(rec.checks)
	return err
}

// noted is the cache that notes in a trace what is to be done, and what notes
// there how rows are to be judged.
type noted struct {
	judge.Subject
	j      *judge.Judge
	rec    *recording
	cache  *window.WindowCache
	notes  *window.Recorder
	labels [][]int32 // of the chunk, by batch entry
	chunk  impls.Tensor
	fills  int // the steps before those that fill the chunk
}

// Stored says that nobody can look now.
func (n *noted) Stored() (keys, values *impls.Tensor, ok bool) { return nil, nil, false }

// Update notes what the cache does. What it refuses is not done.
func (n *noted) Update(ctx context.Context, keys, values *impls.Tensor) (k, v *impls.Tensor, err error) {
	k, v, err = n.Subject.Update(ctx, keys, values)
	if err != nil {
		n.rec.ran.Refused[n.j.Op()] = true
		n.rec.trace.Steps = n.rec.trace.Steps[:n.fills]
		n.labels = nil
	} else {
		n.rec.ran.Plans[n.j.Op()] = n.cache.LastPlan()
	}
	return k, v, err
}

func (n *noted) refusal(err error) error {
	n.rec.ran.Refused[n.j.Op()] = err != nil
	return err
}

// Crop notes whether it was refused, as Snapshot and Restore do.
func (n *noted) Crop(ctx context.Context, to int) error { return n.refusal(n.Subject.Crop(ctx, to)) }

func (n *noted) Snapshot(ctx context.Context, id int) error {
	return n.refusal(n.Subject.Snapshot(ctx, id))
}

func (n *noted) Restore(ctx context.Context, id int) error {
	return n.refusal(n.Subject.Restore(ctx, id))
}

// Chunk implements judge.Rows: the device fills the chunk.
func (n *noted) Chunk(o *corpus.Op, serial int) (keys, values *impls.Tensor) {
	s, q := n.rec.c.Shape, o.N
	n.labels = make([][]int32, s.Batch)
	for b := range n.labels {
		rows := make([]byte, labelBytes*q)
		n.labels[b] = make([]int32, q)
		for i := range n.labels[b] {
			label := int32(serial + i)
			if i < o.PadOf(b) {
				label = inplace.Padding
			}
			n.labels[b][i] = label
			binary.LittleEndian.PutUint32(rows[labelBytes*i:], uint32(label))
		}
		n.j.History().AppendLane(oracle.Keys, b, rows)
		n.j.History().AppendLane(oracle.Values, b, rows)
	}
	n.fills = len(n.rec.trace.Steps)
	for t := range 2 {
		n.notes.FillChunk(t, q, n.labels)
	}
	n.chunk = withoutBytes(s, q)
	return &n.chunk, &n.chunk
}

// Mismatched implements judge.Rows.
func (n *noted) Mismatched(o *corpus.Op, _ int) (keys, values impls.Tensor, err error) {
	n.fills = len(n.rec.trace.Steps)
	x := withoutBytes(o.Shape(n.rec.c.Shape), o.N)
	return x, x, nil
}

// withoutBytes is a chunk whose bytes nobody has yet.
func withoutBytes(s impls.Shape, rows int) impls.Tensor {
	return impls.Tensor{Batch: s.Batch, Heads: s.Heads, Rows: rows, Dim: s.Dim, DType: s.DType}
}

// Caller implements judge.Rows.
func (n *noted) Caller(o *corpus.Op) *corpus.Divergence {
	if n.labels == nil { // refused, and so not done
		return nil
	}
	for t := range 2 {
		n.rec.note(check{n.j.Op(), t, true})
		n.notes.CheckChunk(t, o.N, n.labels)
	}
	return nil
}

// Returned implements judge.Rows: what is returned is the buffer itself, or what
// the caller handed over.
func (n *noted) Returned(_, _ *impls.Tensor, _ *corpus.Op) *corpus.Divergence { return n.Buffers() }

// Unchanged implements judge.Rows.
func (n *noted) Unchanged() *corpus.Divergence { return n.Buffers() }

// Buffers implements judge.Rows: live rows first, the rest empty.
func (n *noted) Buffers() *corpus.Divergence {
	s := n.rec.c.Shape
	labels := make([][]int32, s.Batch)
	rows := make([]int32, s.Batch*s.Window)
	for b := range labels {
		live := n.j.History().Window(oracle.Keys, b)
		labels[b] = rows[b*s.Window : (b+1)*s.Window]
		for i := range labels[b] {
			labels[b][i] = inplace.Empty
			if labelBytes*i < len(live) {
				labels[b][i] = int32(binary.LittleEndian.Uint32(live[labelBytes*i:]))
			}
		}
	}
	for t := range 2 {
		n.rec.note(check{n.j.Op(), t, false})
		n.notes.CheckCache(t, labels)
	}
	return nil
}

// recordProgram makes the trace of a program: positions number the rows of
// all buffers.
func (r *recorder) recordProgram(rec *recording, p inplace.Program) {
	c, s := rec.c, rec.c.Shape
	r.j.Begin(c)
	plan := inplace.Compile(p, c.Target.Lowering, s, c.Block)
	rec.program = plan
	rec.trace = inplace.ProgramTrace(plan, s)
	v := judge.NewLabels(p)
	for b := range p.Buffers {
		rec.trace.Start(b, v.Positions(b))
	}
	next := 0
	for i, stmt := range p.Stmts {
		r.j.SetOp(i)
		rec.starts = append(rec.starts, next)
		start := next
		for ; next < len(plan.Kernels) && plan.Kernels[next].Stmt == i; next++ {
			k := plan.Kernels[next]
			rec.trace.RunKernel(plan, k, r.j.ProgramOrder(p.Target(i), next-start, k.Blocks()))
		}
		v.Statement(stmt)
		if !plan.Settled(i) {
			continue
		}
		for at := range v.Outputs() {
			store := at
			if n := at - len(p.Buffers); n >= 0 {
				store = plan.Returns[n]
			}
			rec.note(check{i, at, false})
			rec.trace.CheckBuffer(store, v.Positions(at))
		}
	}
	rec.starts = append(rec.starts, next)
}

// explain says what a failed check means: the same words as for a case that was
// run here.
func (r *recorder) explain(rec *recording, o inplace.Outcome) *corpus.Divergence {
	at := rec.checks[o.Step]
	if rec.program != nil {
		p, _ := rec.c.TheProgram()
		return r.j.AfterStatement(rec.c, p, rec.program, rec.starts, at.op, at.tensor, o.Memory)
	}
	t := oracle.Tensor(at.tensor)
	if at.caller {
		r.j.Begin(rec.c)
		r.j.SetOp(at.op)
		return r.j.Fault(corpus.FaultCaller, t.String(), "the update changed the caller's own tensor")
	}
	return r.j.After(rec.c, at.op, t, o.Memory, rec.ran)
}
