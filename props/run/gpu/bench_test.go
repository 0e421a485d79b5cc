package gpu

import (
	"fmt"
	"math/rand"
	"testing"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props"
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
						cases[i] = &corpus.Case{}
						props.BenchmarkMix.Draw(cases[i], rng)
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
