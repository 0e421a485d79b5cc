package props

import (
	"math/rand"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/leanovate/gopter"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/hunt"
)

// both runs one drawn case on the two updates of the issue.
func both(tb testing.TB, r *hunt.Runner, c *corpus.Case) {
	for _, update := range [...]string{"shift-index", "roll"} {
		c.Target = window.Target{Update: update, Lowering: inplace.Fused, Device: "sim"}
		if d, err := r.One(tb.Context(), c); d != nil || err != nil {
			tb.Fatal(d, err)
		}
	}
}

// BenchmarkRunner is cases a second of benchmarkMix: shift-index and roll,
// keys and values, against the oracle after every step.
func BenchmarkRunner(b *testing.B) {
	r, rng, c := hunt.Local(), rand.New(rand.NewSource(1)), &corpus.Case{}
	b.ReportAllocs()
	for b.Loop() {
		benchmarkMix.Draw(c, rng)
		both(b, r, c)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "cases/s")
}

// BenchmarkRunnerBound is by turns what BenchmarkRunner does and the updates alone, on chunks
// made before, with nobody to judge them: the share of the time that they take bounds what a
// faster judge could gain.
func BenchmarkRunnerBound(b *testing.B) {
	r, rng, c := hunt.Local(), rand.New(rand.NewSource(1)), &corpus.Case{}
	type key struct {
		update string
		shape  impls.Shape
	}
	engines, chunks := map[key]*window.Engine{}, map[impls.Shape][]impls.Tensor{}
	var cache *window.WindowCache
	var whole, updates time.Duration
	for b.Loop() {
		benchmarkMix.Draw(c, rng)
		s := c.Shape
		if chunks[s] == nil {
			for q := range benchmarkMix.Prefill[1] + 1 {
				chunks[s] = append(chunks[s], impls.NewTensor(s, q))
			}
		}
		start := time.Now()
		both(b, r, c)
		judged := time.Now()
		for _, update := range [...]string{"shift-index", "roll"} {
			engine := engines[key{update, s}]
			if engine == nil {
				var err error
				if engine, err = window.NewEngine(window.Target{Update: update, Lowering: inplace.Fused, Device: "sim"}, s, c.Block); err != nil {
					b.Fatal(err)
				}
				engines[key{update, s}] = engine
			}
			if cache == nil {
				cache = engine.NewCache(&inplace.Sim{})
			}
			cache.Recycle(engine)
			for i := range c.Ops {
				x := chunks[s][c.Ops[i].N]
				if _, _, err := cache.Update(x, x); err != nil {
					b.Fatal(err)
				}
			}
		}
		whole, updates = whole+judged.Sub(start), updates+time.Since(judged)
	}
	b.ReportMetric(float64(b.N)/whole.Seconds(), "cases/s")
	b.ReportMetric(100*updates.Seconds()/whole.Seconds(), "percent-updates")
}

// BenchmarkGopter is the same through a gopter property.
func BenchmarkGopter(b *testing.B) {
	r := hunt.Local()
	const batch = 1000 // a property of as many cases: gopter's setup is shared
	n := 0
	b.ReportAllocs()
	for b.Loop() {
		p := gopter.DefaultTestParametersWithSeed(int64(n))
		p.Workers, p.MinSuccessfulTests = 1, batch
		result := ForAll(func(c *corpus.Case) (bool, error) {
			both(b, r, c)
			return true, nil
		}, benchmarkMix.Cases()).Check(p)
		if !result.Passed() {
			b.Fatal(result)
		}
		n += batch
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "cases/s")
}

// issueCache is a cache of the issue's size with a full window.
func issueCache(b *testing.B, update, device string, block int) (*window.WindowCache, impls.Tensor) {
	b.Helper()
	s := impls.Shape{Batch: 2, Heads: 4, Window: 4096, Dim: 256, DType: impls.BF16}
	c, err := window.New(window.Target{Update: update, Lowering: inplace.Fused, Device: device}, s, block)
	if err != nil {
		b.Fatal(err)
	}
	long := impls.NewTensor(s, s.Window)
	if _, _, err := c.Update(long, long); err != nil {
		b.Fatal(err)
	}
	return c, impls.NewTensor(s, 1)
}

// BenchmarkIssueStep is one decode at the issue's size, keys and values, on
// sim; BenchmarkIssueCopy is plain copy calls for the passes that the lowering
// must make: the window into a temporary, and back.
func BenchmarkIssueStep(b *testing.B) {
	for _, update := range []string{"shift-index", "cat", "roll"} {
		b.Run(update, func(b *testing.B) {
			c, one := issueCache(b, update, "sim", 1024)
			for b.Loop() {
				if _, _, err := c.Update(one, one); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkIssueCopy(b *testing.B) {
	const bytes = 2 * 4 * 4096 * 256 * 2
	x, y, t := make([]byte, bytes), make([]byte, bytes), make([]byte, bytes)
	for b.Loop() {
		for _, buf := range [][]byte{x, y} {
			copy(t, buf)
			copy(buf, t)
		}
	}
}

// BenchmarkIssueHost is one decode at the issue's size on host, all cores, and by turns
// as many bytes as it has to move, the window into a temporary and back, as plain copies
// on as many goroutines. Both in bytes copied a second, and the one as a share of the
// other.
func BenchmarkIssueHost(b *testing.B) {
	for _, update := range []string{"shift-index", "cat", "roll"} {
		b.Run(update, func(b *testing.B) {
			c, one := issueCache(b, update, "host", 1024)
			size := int(c.Shape.Bytes(c.Shape.Window))
			x, y, t := make([]byte, size), make([]byte, size), make([]byte, size)
			workers := runtime.GOMAXPROCS(0)
			plain := func(dst, src []byte) {
				var all sync.WaitGroup
				for i := range workers {
					lo, hi := i*size/workers, (i+1)*size/workers
					all.Go(func() { copy(dst[lo:hi], src[lo:hi]) })
				}
				all.Wait()
			}
			var decodes, copies time.Duration
			n := 0
			for b.Loop() {
				start := time.Now()
				if _, _, err := c.Update(one, one); err != nil {
					b.Fatal(err)
				}
				decoded := time.Now()
				for _, buf := range [][]byte{x, y} {
					plain(t, buf)
					plain(buf, t)
				}
				decodes, copies = decodes+decoded.Sub(start), copies+time.Since(decoded)
				n++
			}
			bytes := float64(n) * 4 * float64(size) / 1e9
			b.ReportMetric(bytes/decodes.Seconds(), "GB/s")
			b.ReportMetric(bytes/copies.Seconds(), "copy-GB/s")
			b.ReportMetric(100*copies.Seconds()/decodes.Seconds(), "percent")
		})
	}
}

// mix says which cases a generator draws: every range is inclusive.
type mix struct {
	Window, Batch, Heads, Dim, Prefill, Decodes [2]int
	Block                                       int
	DType                                       impls.DType
}

// benchmarkMix is the mix of the benchmarks.
var benchmarkMix = mix{
	Window: [2]int{1, 16}, Batch: [2]int{1, 2}, Heads: [2]int{1, 3}, Dim: [2]int{1, 4},
	Prefill: [2]int{1, 40}, Decodes: [2]int{0, 20}, Block: 64, DType: impls.F32,
}

// Draw makes a case of one prefill and single-token decodes, into c.
func (m mix) Draw(c *corpus.Case, r *rand.Rand) {
	in := func(x [2]int) int { return x[0] + r.Intn(x[1]-x[0]+1) }
	c.Shape = impls.Shape{Batch: in(m.Batch), Heads: in(m.Heads), Window: in(m.Window), Dim: in(m.Dim), DType: m.DType}
	c.Block = m.Block
	prefill, decodes := in(m.Prefill), in(m.Decodes)
	c.Ops = append(slices.Grow(c.Ops[:0], 1+decodes), corpus.Op{Kind: corpus.Append, N: prefill})
	for range decodes {
		c.Ops = append(c.Ops, corpus.Op{Kind: corpus.Append, N: 1})
	}
}

// Cases is a gopter generator of such cases.
func (m mix) Cases() gopter.Gen {
	return generator(func(p *gopter.GenParameters) *corpus.Case {
		c := &corpus.Case{}
		m.Draw(c, p.Rng)
		return c
	})
}
