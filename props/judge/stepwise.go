package judge

import (
	"context"
	"fmt"
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// Start takes up a case of a cache, which must be new, for Step and Give: its
// operations are those that they do.
func (j *Judge) Start(shape impls.Shape, cache Subject, contract oracle.Contract) error {
	j.Begin(&corpus.Case{Shape: shape})
	if err := j.tokens(cache); err != nil {
		return err
	}
	j.cache, j.contract, j.rows = cache, contract, compared{j}
	clear(j.saved)
	j.buffer = [2]*byte{}
	return nil
}

// Step does one operation more.
func (j *Judge) Step(ctx context.Context, o corpus.Op) *corpus.Divergence {
	j.c.Ops = append(j.c.Ops, o)
	j.op = len(j.c.Ops) - 1
	return j.step(ctx, &o)
}

// Handed is the chunk that Step handed over last.
func (j *Judge) Handed() (keys, values impls.Tensor) { return j.chunk[0], j.chunk[1] }

// Positions is that of the cache.
func (j *Judge) Positions() [][]int { return j.cache.Positions() }

// Next is the keys of the next q tokens.
func (j *Judge) Next(q int) impls.Tensor {
	x := impls.NewTensor(j.now(), q)
	j.fill(&x, oracle.Keys, &corpus.Op{Kind: corpus.Append, N: q}, j.history.Next())
	return x
}

// Give hands the cache these very tensors, which may be one and the same or views
// of what the cache returned, and judges what it returns. Where the contract
// allows the chunk, an error is a divergence, and so is a panic.
func (j *Judge) Give(ctx context.Context, keys, values impls.Tensor) (k, v impls.Tensor, d *corpus.Divergence) {
	q := keys.Rows
	j.c.Ops = append(j.c.Ops, corpus.Op{Kind: corpus.Append, N: q})
	j.op = len(j.c.Ops) - 1
	o := &j.c.Ops[j.op]
	defer func() {
		if p := recover(); p != nil {
			d = j.Fault(corpus.FaultPanic, "-", fmt.Sprint(p))
		}
	}()
	for lane := range keys.Lanes() {
		for i := range q {
			// The rows may be the cache's own, which are about to move.
			j.history.AppendLane(oracle.Keys, lane, slices.Clone(keys.Row(lane, i)))
			j.history.AppendLane(oracle.Values, lane, slices.Clone(values.Row(lane, i)))
		}
	}
	j.history.At(j.op + 1)
	serial := j.history.Serial(q)
	k, v, err := j.cache.Update(ctx, keys, values)
	if err != nil {
		j.history.Refuse(serial, q)
		return k, v, j.Fault(corpus.FaultRefused, "-", o.Kind.Operation().WrongAnswer(o, j.c.Shape, state{j}, err))
	}
	j.advance(j.history, o, serial)
	return k, v, j.checkReturned([2]*impls.Tensor{&k, &v}, o)
}
