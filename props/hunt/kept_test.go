package hunt

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/evolve"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// choosy runs cases one by one: it need not run those of an odd window, and those whose
// batch is 2 fail.
type choosy struct{ ran map[string]bool }

func (b *choosy) Run(ctx context.Context, cases []*corpus.Case) ([]*corpus.Divergence, error) {
	return run.Each(ctx, cases, func(_ context.Context, c *corpus.Case) (*corpus.Divergence, error) {
		switch {
		case c.Shape.Window%2 == 1:
			return nil, &run.SkippedError{Reason: "an odd window"}
		case c.Shape.Batch == 2:
			return &corpus.Divergence{Op: 1, OpKind: "append", Tensor: "-", Fault: corpus.FaultAccepted, Detail: "a batch of two"}, nil
		}
		b.ran[string(c.Text())] = true
		return nil, nil
	})
}

func (b *choosy) Traits(window.Target) run.Traits { return run.Traits{} }

// shelf is a corpus in memory.
type shelf struct {
	was             evolve.Kept
	failed, written []*corpus.Case
	left            []*corpus.Case
}

func (s *shelf) Kept() (evolve.Kept, error) { return s.was, nil }

func (s *shelf) Failed(c *corpus.Case, _ corpus.Failure, _ func(*corpus.Case) string) error {
	s.failed = append(s.failed, c)
	return nil
}

func (s *shelf) Agreed(c *corpus.Case) error {
	s.written = append(s.written, c)
	return nil
}

func (s *shelf) Only(cases []*corpus.Case) error {
	s.left = cases
	return nil
}

// Only what ran and agreed is kept: neither what failed nor what need not be run. A case
// that failed once is run first, and is kept by its failure alone.
func TestOnlyWhatAgreedIsKept(t *testing.T) {
	b := &choosy{ran: map[string]bool{}}
	all := run.Local()
	all.ByDevice["host"] = b
	target := window.Target{Update: "roll", Lowering: inplace.Fused, Device: "host"}
	once, err := corpus.Parse("once", []byte("slidefuzz case v1\nshape batch=1 heads=1 window=6 dim=1 dtype=F32 layout=heads-first\ntarget roll/fused/host\nblock 1\nschedule descending\nappend 5\n"), 0)
	require.NoError(t, err)
	s := &shelf{was: evolve.Kept{Failures: []*corpus.Case{once}}}
	r, err := Hunt(t.Context(), all, target, Options{Seed: 1, Cases: 300, Corpus: s})
	require.NoError(t, err)
	require.Equal(t, 300, r.Cases)
	require.NotEmpty(t, s.failed)
	require.NotEmpty(t, s.written)
	for _, c := range append(s.written, s.left...) {
		require.True(t, c.Expect != nil && c.Expect.OK)
		c = c.Clone()
		c.Expect = nil
		assert.True(t, b.ran[string(c.Text())], "kept, and did not agree:\n%s", c.Text())
		assert.NotEqual(t, string(once.Text()), string(c.Text()))
	}
	assert.True(t, b.ran[string(once.Text())])
}
