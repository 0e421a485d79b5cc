package judge

import (
	"context"
	"fmt"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/printable"
)

// Rows is what becomes of rows while a case is walked through: they are compared
// with the history, or noted for a device that has them, or left alone.
type Rows interface {
	// Chunk makes the chunk of an append of tokens n to n+q-1, and brings them
	// into the history.
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
	switch o.Kind {
	case corpus.Append:
		return j.append(ctx, o)
	case corpus.Reset:
		j.cache.Reset(ctx)
		j.history.Reset()
		j.refused = 0
		j.buffer = [2]*byte{}
	case corpus.Crop:
		if j.cache.Crop(ctx, o.N) != nil {
			return j.rows.Unchanged()
		}
		if n := j.history.Len(); o.N < n {
			j.history.Crop(o.N)
		}
	case corpus.Snapshot:
		if j.cache.Snapshot(ctx, o.N) == nil {
			j.saved[o.N] = j.history.Snapshot()
		}
	case corpus.Restore:
		s, known := j.saved[o.N]
		switch err := j.cache.Restore(ctx, o.N); {
		case known && err != nil:
			return j.Fault(corpus.FaultRefused, "-", fmt.Sprintf("snapshot %d was taken, and is refused: %v", o.N, err))
		case !known && err == nil:
			return j.Fault(corpus.FaultAccepted, "-", fmt.Sprintf("snapshot %d was never taken, and is restored", o.N))
		case known:
			j.history.Restore(s)
		}
	}
	return j.rows.Buffers()
}

// append hands the cache a chunk of tokens that name their origin, and judges
// what it returns and stores.
func (j *Judge) append(ctx context.Context, o *corpus.Op) *corpus.Divergence {
	s := j.c.Shape
	if o.Odd(s) {
		return j.appendMismatched(ctx, o)
	}
	n, q := j.history.Len(), o.N
	k, v := j.rows.Chunk(o, n)
	// What comes back is kept by the judge, so that an append allocates nothing.
	var err error
	j.got[0], j.got[1], err = j.cache.Update(ctx, k, v)
	if d := j.rows.Caller(n, q); d != nil {
		return d
	}
	refuse := j.refuses(n, q)
	switch {
	case err != nil && !refuse:
		return j.Fault(corpus.FaultRefused, "-", fmt.Sprintf("%d rows after %d in a window of %d: %v", q, n, s.Window, err))
	case err == nil && refuse:
		return j.Fault(corpus.FaultAccepted, "-", fmt.Sprintf("%d rows after %d in a window of %d, which the contract refuses", q, n, s.Window))
	case err != nil:
		j.history.Crop(n)
		return j.rows.Unchanged()
	}
	return j.rows.Returned(&j.got[0], &j.got[1], n, q)
}

// appendMismatched hands the cache a chunk of another shape, which it must
// refuse.
func (j *Judge) appendMismatched(ctx context.Context, o *corpus.Op) *corpus.Divergence {
	k, v, err := j.rows.Mismatched(o)
	if err != nil {
		return j.Fault(corpus.FaultShape, "-", err.Error())
	}
	if _, _, err := j.cache.Update(ctx, k, v); err == nil {
		s, own := o.Shape(j.c.Shape), j.c.Shape
		return j.Fault(corpus.FaultAccepted, "-", fmt.Sprintf("a chunk [%d, %d, %d, %d] of %s in a cache [%d, %d, rows, %d] of %s",
			s.Batch, s.Heads, o.N, s.Dim, s.DType, own.Batch, own.Heads, own.Dim, own.DType))
	}
	return j.rows.Unchanged()
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
