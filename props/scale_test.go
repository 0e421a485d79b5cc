package props

import (
	"flag"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/caches"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/run"
)

var seedsFlag = flag.Int("slidefuzz.seeds", 1, "hunts of TestCasesUntilCaught in each target")

// mostCases bounds a hunt in a known-bad target, as the command line does.
const mostCases = 20_000

// subject is what is hunted in: a local target or a cache of package caches.
type subject struct {
	name   string
	target window.Target
	cache  *caches.Info // nil for a local target
}

// subjects lists the sound ones or the others, on some devices.
func subjects(sound bool, devices ...string) (all []subject) {
	for _, t := range window.Targets() {
		if t.Sound() == sound && slices.Contains(devices, t.Device) {
			all = append(all, subject{t.String(), t, nil})
		}
	}
	for _, i := range caches.List() {
		if i.Sound == sound {
			all = append(all, subject{"caches/" + i.Name, window.CacheTarget(), &i})
		}
	}
	return all
}

// backend runs the cases of the subject.
func (s subject) backend(t *testing.T, local *run.Backends) run.Backend {
	t.Helper()
	if s.cache == nil {
		b, err := local.Of(s.target)
		require.NoError(t, err)
		return b
	}
	x := &suite{
		make:    func(_ *testing.T, shape impls.Shape) (impls.Cache, error) { return caches.New(s.cache.Name, shape) },
		dtypes:  []impls.DType{impls.F32, impls.BF16, impls.F16, impls.F8E4M3, impls.U8},
		layouts: []impls.Layout{impls.HeadsFirst, impls.TokensFirst},
	}
	options := []Option{DimsMultipleOf(s.cache.DimMultiple), Batches(s.cache.Batches...)}
	if !s.cache.Narrow {
		options = append(options, Chunks())
	}
	if s.cache.MaxChunk != nil {
		options = append(options, LargestChunk(s.cache.MaxChunk))
	}
	var without []corpus.Feature
	for _, f := range s.cache.Without {
		without = append(without, corpus.Feature(f))
	}
	for _, o := range append(options, Without(without...)) {
		o(x)
	}
	require.NoError(t, x.checkOptions())
	return x.backend(t)
}

// untilCaught is the number of the case that a hunt catches a subject with, 0 where
// it does not.
func (s subject) untilCaught(t *testing.T, even bool, seed uint64) int {
	t.Helper()
	b := s.backend(t, run.Local())
	draw := (&corpus.Drawer{Even: even}).Cases(s.target, seed)
	for n := 1; n <= mostCases; n++ {
		c := draw()
		if f, ok := b.(run.Fitter); ok {
			f.Fit(c)
		}
		d, err := b.Run(t.Context(), []*corpus.Case{c})
		require.NoError(t, err)
		if d[0] != nil {
			return n
		}
	}
	return 0
}

// Every known-bad target of sim and every faulty cache is caught, by cases that are
// drawn evenly and by those of runs with weights of their own. With -v and
// -slidefuzz.seeds=20 it prints the table of docs/benchmarks.md.
func TestCasesUntilCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("some are caught after thousands of cases")
	}
	var sums, worsts [2]int
	for _, s := range subjects(false, "sim") {
		if s.target.IsProgram() {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			var median, worst [2]int
			for i, even := range []bool{true, false} {
				all := make([]int, *seedsFlag)
				for seed := range all {
					all[seed] = s.untilCaught(t, even, uint64(seed))
					if all[seed] == 0 {
						t.Errorf("not caught in %d cases, even=%t seed=%d", mostCases, even, seed)
						all[seed] = mostCases
					}
				}
				slices.Sort(all)
				median[i], worst[i] = all[len(all)/2], all[len(all)-1]
				sums[i] += median[i]
				worsts[i] = max(worsts[i], worst[i])
			}
			t.Logf("| %s | %d | %d | %d | %d |", s.name, median[0], worst[0], median[1], worst[1])
		})
	}
	t.Logf("| sum of the medians, worst of all | %d | %d | %d | %d |", sums[0], worsts[0], sums[1], worsts[1])
}
