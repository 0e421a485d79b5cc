package judge

import (
	"context"

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

// Case is the case so far.
func (j *Judge) Case() *corpus.Case { return j.c }

// Handed is the chunk that Step handed over last.
func (j *Judge) Handed() (keys, values impls.Tensor) { return j.chunk[0], j.chunk[1] }

// Positions is that of the cache.
func (j *Judge) Positions() [][]int { return j.cache.Positions() }

// Next is the keys or values of the next q tokens.
func (j *Judge) Next(t oracle.Tensor, q int) impls.Tensor {
	x := impls.NewTensor(j.now(), q)
	j.fill(&x, t, &corpus.Op{Kind: corpus.Append, N: q}, j.history.Next())
	return x
}

// Give hands the cache these very tensors, which may be one and the same or views
// of what the cache returned, and judges what it returns; of a cache with layers,
// copies to all but the first. Where the contract
// allows the chunk, an error is a divergence, and so is a panic.
func (j *Judge) Give(ctx context.Context, keys, values impls.Tensor) (k, v impls.Tensor, d *corpus.Divergence) {
	q := keys.Rows
	j.c.Ops = append(j.c.Ops, corpus.Op{Kind: corpus.Append, N: q})
	j.op = len(j.c.Ops) - 1
	o := &j.c.Ops[j.op]
	defer func() {
		if p := recover(); p != nil {
			d = j.panicked(p)
		}
	}()
	given := [2]impls.Tensor{keys.Clone(j.c.Shape), values.Clone(j.c.Shape)}
	serial := 0
	for _, h := range j.layers {
		h.At(j.op + 1)
		serial = h.Serial(q)
	}
	defer func() { j.history = j.layers[0] }()
	for l, h := range j.layers {
		j.history = h
		for t := range given {
			for lane := range keys.Lanes() {
				for i := range q {
					h.AppendLane(oracle.Tensor(t), lane, given[t].Row(lane, i))
				}
			}
		}
		if l > 0 { // the rows may have been layer 0's own, which have moved
			keys, values = given[0], given[1]
		}
		returnedKeys, returnedValues, err := j.update(ctx, o, l, &keys, &values)
		if err != nil {
			j.refuse(serial, q)
			return k, v, j.Fault(corpus.FaultRefused, "-", o.Kind.Operation().WrongAnswer(o, j.c.Shape, state{j}, err))
		}
		j.advance(h, o, serial)
		k, v = *returnedKeys, *returnedValues
		if d := j.checkReturned([2]*impls.Tensor{&k, &v}, o); d != nil {
			return k, v, d
		}
	}
	return k, v, nil
}
