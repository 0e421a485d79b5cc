package judge

import (
	"bytes"
	"context"
	"errors"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// Ran is what is known of a case that ran where its rows cannot be seen but for
// the buffer that was wrong.
type Ran struct {
	Refused []bool          // of each operation
	Plans   []*inplace.Plan // of each operation, nil where nothing ran
}

// After says what is wrong with a buffer of the cache after an operation of a case
// (its index): memory holds Window rows of every lane.
func (j *Judge) After(c *corpus.Case, op int, t oracle.Tensor, memory []byte, ran Ran) *corpus.Divergence {
	upTo := *c
	upTo.Ops = c.Ops[:min(op+1, len(c.Ops))]
	j.Begin(&upTo)
	if err := j.tokens(&again{j: j, ran: ran}); err != nil {
		return j.Fault(corpus.FaultShape, "-", err.Error())
	}
	// What went on until then is gone through again, up to the history; the case
	// was walked through before, with this outcome. Nothing here waits.
	_, _ = j.walk(context.Background(), &again{j, ran}, oracle.Single, followed{j})
	j.op = op
	where := "stored"
	refused := op < len(ran.Refused) && ran.Refused[op]
	if op < len(c.Ops) && j.handed && !refused && c.Ops[op].Tokens() <= c.Shape.Window {
		where = "returned" // the buffer itself
	}
	x := impls.TensorOver(c.Shape, c.Shape.Window, memory)
	d := j.rowFault(&x, t, where)
	if refused && c.Ops[op].Kind.Operation().Blamed() {
		j.refused = op + 1
		d = j.changed(d)
	}
	return d
}

// again is a cache that refuses what was refused.
type again struct {
	j   *Judge
	ran Ran
}

var errRefused = errors.New("it was refused")

func (a *again) outcome() error {
	if a.j.op < len(a.ran.Refused) && a.ran.Refused[a.j.op] {
		return errRefused
	}
	return nil
}

func (a *again) Update(context.Context, *impls.Tensor, *impls.Tensor) (k, v *impls.Tensor, err error) {
	return k, v, a.outcome()
}

func (a *again) UpdateEach(context.Context, impls.Tensor, impls.Tensor, []int) (k, v impls.Tensor, err error) {
	return k, v, errRefused
}

func (a *again) UpdateLayer(context.Context, int, impls.Tensor, impls.Tensor) (k, v impls.Tensor, err error) {
	return k, v, errRefused
}

// Can is what the built-in updates can.
func (a *again) Can(need corpus.Capability) bool {
	return need == corpus.CanCrop || need == corpus.CanSnapshot
}

func (a *again) Layers() []int                                 { return nil }
func (a *again) Reset(context.Context)                         {}
func (a *again) Crop(context.Context, int) error               { return a.outcome() }
func (a *again) CropEach(context.Context, []int) error         { return errRefused }
func (a *again) Select(context.Context, []int) error           { return errRefused }
func (a *again) Snapshot(context.Context, int) error           { return a.outcome() }
func (a *again) Restore(context.Context, int) error            { return a.outcome() }
func (a *again) Positions() [][]int                            { return nil }
func (a *again) Visible() [][][]bool                           { return nil }
func (a *again) Sinks() int                                    { return 0 }
func (a *again) Stored() (keys, values *impls.Tensor, ok bool) { return nil, nil, false }
func (a *again) Failed() (f corpus.Fault, detail string)       { return "", "" }
func (a *again) LastPlan() *inplace.Plan {
	if a.j.op < len(a.ran.Plans) {
		return a.ran.Plans[a.j.op]
	}
	return nil
}

// followed brings tokens into the history and judges nothing.
type followed struct{ j *Judge }

func (f followed) Chunk(o *corpus.Op, serial int) (keys, values *impls.Tensor) {
	return compared(f).Chunk(o, serial)
}

func (f followed) Mismatched(*corpus.Op, int) (keys, values impls.Tensor, err error) {
	return keys, values, nil
}
func (f followed) Caller(*corpus.Op) *corpus.Divergence                         { return nil }
func (f followed) Returned(_, _ *impls.Tensor, _ *corpus.Op) *corpus.Divergence { return nil }
func (f followed) Buffers() *corpus.Divergence                                  { return nil }
func (f followed) Unchanged() *corpus.Divergence                                { return nil }

// AfterStatement says what is wrong with a buffer after a statement of a program
// (their indices): starts is the first kernel of the plan of each statement, and
// of the end.
func (j *Judge) AfterStatement(c *corpus.Case, p inplace.Program, plan *inplace.Plan, starts []int, stmt, buffer int, memory []byte) *corpus.Divergence {
	j.Begin(c)
	j.op = stmt
	code, err := j.Encoding(c.Shape)
	if err != nil {
		return j.Fault(corpus.FaultShape, "-", err.Error())
	}
	start := make([][]byte, len(p.Buffers))
	for b := range p.Buffers {
		start[b] = make([]byte, c.Shape.Lanes()*p.Buffers[b].Rows*c.Shape.RowBytes())
	}
	v := NewValues(p, c.Shape, code, start)
	for i := 0; i <= stmt; i++ {
		v.Statement(p.Stmts[i])
	}
	mem := make([][]byte, v.Outputs())
	mem[buffer] = bytes.Clone(memory)
	d := j.statementFault(v.Compare(mem), p, plan, starts[stmt], starts[stmt+1], buffer)
	v.look(d, mem)
	return d
}
