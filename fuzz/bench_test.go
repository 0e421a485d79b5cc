package fuzz

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/props/hunt"
)

// BenchmarkUpdate is the body of FuzzUpdate on inputs like those that the toolchain makes:
// each is one of a few that are kept, changed in up to three places, and now and then one
// takes the place of another. The inputs are the same in every run.
func BenchmarkUpdate(b *testing.B) {
	r, rng := hunt.Local(), rand.New(rand.NewPCG(1, 2))
	kept := make([][]byte, 256) // as many as are interesting after a few minutes
	for i := range kept {
		kept[i] = make([]byte, rng.IntN(64))
		for k := range kept[i] {
			kept[i][k] = byte(rng.Uint32())
		}
	}
	for b.Loop() {
		in := slices.Clone(kept[rng.IntN(len(kept))])
		for range 1 + rng.IntN(3) {
			switch at := rng.IntN(len(in) + 1); {
			case at == len(in) || rng.IntN(8) == 0:
				in = slices.Insert(in, at, byte(rng.Uint32()))
			case rng.IntN(8) == 0:
				in = slices.Delete(in, at, at+1)
			default:
				in[at] = byte(rng.Uint32())
			}
		}
		if rng.IntN(1000) == 0 {
			kept[rng.IntN(len(kept))] = in
		}
		if d, err := r.One(b.Context(), corpus.Decode(in)); d != nil || err != nil {
			b.Fatal(d, err)
		}
	}
}
