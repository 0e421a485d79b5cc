package gpu

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// BenchmarkDevice is drawn small cases a second on a device: a launch for many,
// and a launch for each. Recording and reading back are part of it.
func BenchmarkDevice(b *testing.B) {
	for _, name := range []string{"opencl", "cuda"} {
		for _, n := range []int{1, batch, 4000} {
			b.Run(fmt.Sprintf("%s/%d-a-launch", name, n), func(b *testing.B) {
				device(b, name)
				r, rng := &Backend{Device: name}, rand.New(rand.NewSource(1))
				all := 0
				for b.Loop() {
					cases := make([]*corpus.Case, n)
					for i := range cases {
						cases[i] = prefillAndDecodes(rng)
						cases[i].Schedule = inplace.Schedule{Kind: inplace.Descending}
						cases[i].Target = window.Target{Update: "roll", Lowering: inplace.Fused, Device: name}
					}
					found, err := r.Run(b.Context(), cases)
					if err != nil {
						b.Fatal(err)
					}
					for i, d := range found {
						if d != nil {
							b.Fatal(d, string(cases[i].Text()))
						}
					}
					all += n
				}
				b.ReportMetric(float64(all)/b.Elapsed().Seconds(), "cases/s")
			})
		}
	}
}

// prefillAndDecodes is a case of the mix of props.BenchmarkRunner.
func prefillAndDecodes(r *rand.Rand) *corpus.Case {
	c := &corpus.Case{
		Shape: impls.Shape{Batch: 1 + r.Intn(2), Heads: 1 + r.Intn(3), Window: 1 + r.Intn(16), Dim: 1 + r.Intn(4)},
		Block: 64,
		Ops:   []corpus.Op{{Kind: corpus.Append, N: 1 + r.Intn(40)}},
	}
	for range r.Intn(21) {
		c.Ops = append(c.Ops, corpus.Op{Kind: corpus.Append, N: 1})
	}
	return c
}
