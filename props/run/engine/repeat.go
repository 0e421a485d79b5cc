package engine

import (
	"context"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

// Repeated is one run of a case that is run again and again.
type Repeated struct {
	// Divergence is the first, nil where what each query saw is what it must see.
	Divergence *corpus.Divergence
	// Undecided is how many steps could not be judged, and Worst how far the counts that
	// were right were from whole numbers.
	judge.EngineCounts
	// Hash is that of all logits, Decoded the ids that greedy decoding takes from them.
	Hash    uint64
	Decoded []int
}

// Once runs a case of forwards alone. Unlike Run it goes on after a divergence, so that
// the logits of two runs can be compared, and keeps the checkpoint loaded, so that what
// the engine has compiled is used again.
func (b *Backend) Once(ctx context.Context, c *corpus.Case) (r Repeated, err error) {
	b.failed, b.hash, b.decoded = nil, hashStart, nil
	if err := b.load(ctx, modelOf(c)); err != nil {
		if d := b.notLoaded(err); d != nil && ctx.Err() == nil {
			return Repeated{Divergence: d}, nil
		}
		return r, err
	}
	b.Steps()
	if r.Divergence, err = b.judge.Case(ctx, c, b.probe.Checkpoint(), subject{b}); err != nil {
		b.forget()
		return r, err
	}
	if d := r.Divergence; d != nil {
		switch d.Fault {
		case corpus.FaultCrash, corpus.FaultHang, corpus.FaultProtocol, corpus.FaultRefused:
			b.forget()
			return r, nil
		}
		if err := b.judge.Finish(ctx, d.Op, subject{b}); err != nil {
			b.forget()
			return r, err
		}
	}
	b.end(ctx)
	r.EngineCounts, r.Hash, r.Decoded = b.Steps(), b.hash, b.decoded
	return r, nil
}
