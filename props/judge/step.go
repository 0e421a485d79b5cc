package judge

import (
	"context"
	"errors"
	"fmt"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/printable"
)

// Rows is what becomes of rows while a case is walked through: they are compared
// with the history, or noted for a device that has them, or left alone.
type Rows interface {
	// Chunk makes the chunk of an append of tokens n to n+q-1, and brings their
	// rows into the history, where they count once the cache has accepted them.
	Chunk(o *corpus.Op, n int) (keys, values impls.Tensor)
	// Mismatched makes a chunk of another shape or type than the cache's.
	Mismatched(o *corpus.Op) (keys, values impls.Tensor, err error)
	// Caller judges the tensors that the caller has handed over.
	Caller(n, q int) *corpus.Divergence
	// Returned judges what an update of q tokens after n returned and stored.
	Returned(k, v *impls.Tensor, n, q int) *corpus.Divergence
	// Buffers judges those of a cache that shows them; Unchanged does so
	// after a refusal, and says then that the cache was changed.
	Buffers() *corpus.Divergence
	Unchanged() *corpus.Divergence
}

// step does one operation and judges it.
func (j *Judge) step(ctx context.Context, o *corpus.Op) (d *corpus.Divergence) {
	defer func() {
		if p := recover(); p != nil {
			d = j.Fault(corpus.FaultPanic, "-", fmt.Sprint(p))
		}
	}()
	x, n := o.Kind.Operation(), j.history.Len()
	must := x.Answer(o, j.c.Shape, state{j}, promise{j})
	j.handed, j.fault = false, nil
	err := x.Ask(ctx, o, asked{j})
	switch {
	case j.fault != nil:
		return j.fault
	case err != nil && must == corpus.MustAccept:
		return j.Fault(corpus.FaultRefused, "-", x.WrongAnswer(o, j.c.Shape, state{j}, err))
	case err == nil && must == corpus.MustRefuse:
		return j.Fault(corpus.FaultAccepted, "-", x.WrongAnswer(o, j.c.Shape, state{j}, nil))
	case err != nil && x.Blamed() && !errors.Is(err, ErrCannot):
		return j.rows.Unchanged()
	case err != nil:
		return j.rows.Buffers()
	}
	x.Effect(o, state{j})
	if j.handed {
		return j.rows.Returned(&j.got[0], &j.got[1], n, o.Tokens())
	}
	return j.rows.Buffers()
}

// asked hands operations the cache under test.
type asked struct{ j *Judge }

func (a asked) Reset(ctx context.Context)                  { a.j.cache.Reset(ctx) }
func (a asked) Crop(ctx context.Context, n int) error      { return a.j.cache.Crop(ctx, n) }
func (a asked) Snapshot(ctx context.Context, id int) error { return a.j.cache.Snapshot(ctx, id) }
func (a asked) Restore(ctx context.Context, id int) error  { return a.j.cache.Restore(ctx, id) }

// Update hands the cache a chunk of tokens that name their origin, and judges what
// became of the caller's tensors. The judge keeps what is returned, so that an
// append allocates nothing.
func (a asked) Update(ctx context.Context, o *corpus.Op) error {
	j := a.j
	if o.Mismatched(j.c.Shape) {
		k, v, err := j.rows.Mismatched(o)
		if err != nil {
			j.fault = j.Fault(corpus.FaultShape, "-", err.Error())
			return nil
		}
		_, _, err = j.cache.Update(ctx, k, v)
		return err
	}
	n := j.history.Len()
	k, v := j.rows.Chunk(o, n)
	j.handed = true
	var err error
	j.got[0], j.got[1], err = j.cache.Update(ctx, k, v)
	j.fault = j.rows.Caller(n, o.Tokens())
	if err != nil {
		j.history.Crop(n) // without the chunk
	}
	return err
}

// state is the history, as operations change it.
type state struct{ j *Judge }

func (s state) Len() int        { return s.j.history.Len() }
func (s state) Append(q int)    { s.j.history.Advance(q) }
func (s state) Crop(n int)      { s.j.history.Crop(n) }
func (s state) Snapshot(id int) { s.j.saved[id] = s.j.history.Snapshot() }
func (s state) Restore(id int)  { s.j.history.Restore(s.j.saved[id]) }

func (s state) Taken(id int) bool {
	_, ok := s.j.saved[id]
	return ok
}

// Reset also forgets where the buffers are, which a cache may make anew.
func (s state) Reset() {
	s.j.history.Reset()
	s.j.refused = 0
	s.j.buffer = [2]*byte{}
}

// Fault is a divergence at the operation under way. Words of others in its
// detail are made fit to print.
func (j *Judge) Fault(f corpus.Fault, tensor, detail string) *corpus.Divergence {
	kind := "start"
	if len(j.c.Ops) > 0 {
		kind = j.c.Ops[j.op].Kind.String()
	}
	return &corpus.Divergence{Op: j.op + 1, OpKind: kind, Tensor: tensor, Fault: f, Detail: printable.Line(detail)}
}
