package props

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/hunt"
)

// A step of the runner allocates nothing: a case of 20 decodes allocates what one of 10
// does, in ascending order and in another, from the second time on.
func TestStepsAllocateNothing(t *testing.T) {
	if inplace.RaceEnabled {
		t.Skip("the race detector allocates")
	}
	r := hunt.Local()
	for _, update := range []string{"shift-index", "cat", "roll"} {
		for _, schedule := range []inplace.Schedule{{}, {Kind: inplace.Descending}, {Kind: inplace.Random, Seed: 1}} {
			allocs := func(decodes int) float64 {
				c := &corpus.Case{
					Target:   window.Target{Update: update, Lowering: inplace.Fused, Device: "sim"},
					Shape:    impls.Shape{Batch: 2, Heads: 2, Window: 6, Dim: 3, DType: impls.F32},
					Block:    4,
					Schedule: schedule,
					Ops:      []corpus.Op{{Kind: corpus.Append, N: 3}},
				}
				for range decodes {
					c.Ops = append(c.Ops, corpus.Op{Kind: corpus.Append, N: 1})
				}
				return testing.AllocsPerRun(50, func() {
					if d, err := r.One(t.Context(), c); d != nil || err != nil {
						t.Fatal(d, err)
					}
				})
			}
			allocs(20) // what is remembered is made
			ten, twenty := allocs(10), allocs(20)
			require.Equal(t, ten, twenty, "%s, %s", update, schedule)
			t.Logf("%s, %s: %.0f a case", update, schedule, ten)
		}
	}
}
