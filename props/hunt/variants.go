package hunt

import (
	"context"
	"errors"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// turn gives a batch the variant whose turn it is.
func (h *hunter) turn(cases []*corpus.Case) {
	if n := len(h.traits.Variants); n > 0 {
		for _, c := range cases {
			c.Target.Variant = h.traits.Variants[h.batches%n]
		}
	}
	h.batches++
}

// inTime is how many of n cases of a batch are likely to be done before the hunt ends,
// at least one. What is cut short was run for nothing.
func (h *hunter) inTime(n int) int {
	if h.o.Time <= 0 || !h.traits.Foreign || h.perCase <= 0 {
		return n
	}
	left := h.o.Time - time.Since(h.start)
	return max(1, min(n, int(left/h.perCase)))
}

// run runs a batch, and notes how long that took. A single case that need not be run is
// one that agrees; the backend counts it.
func (h *hunter) run(ctx context.Context, b *run.Backends, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	from := time.Now()
	found, err := b.Run(ctx, cases)
	var skipped *run.SkippedError
	if errors.As(err, &skipped) {
		found, err = make([]*corpus.Divergence, len(cases)), nil
	}
	took := time.Since(from)
	h.perCase = took / time.Duration(len(cases))
	if all := h.result.Variants; all != nil && ctx.Err() == nil {
		v := all[cases[0].Target.Variant]
		v.Cases += len(found)
		v.Running += took
		all[cases[0].Target.Variant] = v
	}
	return found, err
}

// counted puts what the backend counted into the result: of programs how many it need
// not run, else what became of each operation.
func (h *hunter) counted() {
	if h.result.Variants == nil {
		if len(h.counts.all) > 0 {
			h.result.Counts = h.counts.all
		}
		return
	}
	for name, v := range h.result.Variants {
		v.Skipped = h.counts.all[name].Refused
		h.result.Variants[name] = v
	}
}
