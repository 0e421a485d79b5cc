package engine_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/engine"
)

// models are small ones of every architecture and kind.
func models(short bool, arches ...string) (all []engine.Model) {
	dtypes := []impls.DType{impls.F32, impls.F16, impls.BF16}
	if short {
		dtypes = dtypes[:1]
	}
	for _, dtype := range dtypes {
		for i, arch := range arches {
			window, dim := 3+i, 32+i%2*32
			all = append(all,
				engine.Model{
					Arch: arch, Kind: engine.Visible, Window: window, Layers: 2 + i%2,
					Heads: 4, KVHeads: 1 + i%2, HeadDim: dim, DType: dtype, Seed: uint64(i),
				},
				engine.Model{
					Arch: arch, Kind: engine.Full, Window: window, Layers: 2,
					Heads: engine.FullHeads(window, 2), KVHeads: 2, HeadDim: dim, DType: dtype, Seed: uint64(i),
				})
		}
	}
	return all
}

// ones is n ones.
func ones(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = 1
	}
	return s
}

func TestTransformersReadsFolders(t *testing.T) {
	if testing.Short() {
		t.Skip("transformers takes a minute to start and to load all models")
	}
	interpreter := python(t, "transformers")
	var checkpoints []checkpoint
	for _, m := range models(false, engine.Mistral, engine.Gemma2, engine.Gemma3) {
		path, err := m.Write(t.TempDir(), engine.HF)
		require.NoError(t, err)
		const n = 20
		tokens := [][]int{consecutive(m, 0, 3, n), consecutive(m, n-3, 9, 3), consecutive(m, 6, 1, n-6)}
		pad := []int{0, n - 3, 6}
		c := checkpoint{Path: path, Vocabulary: m.Vocabulary(), model: m}
		attentions := []string{"eager", "sdpa"}
		if m.Arch == engine.Gemma2 {
			attentions = attentions[:1] // transformers 5.24 refuses sdpa here, for the soft caps
		}
		for _, attention := range attentions {
			c.Runs = append(c.Runs,
				run{tokens, pad, []int{n}, false, attention},
				run{tokens, pad, append([]int{n - 8}, ones(8)...), true, attention},
				run{tokens, pad, []int{3, 9, 1, 7}, true, attention},
				run{tokens[:1], pad[:1], ones(n), true, attention})
		}
		checkpoints = append(checkpoints, c)
	}
	logits := answered(t, checkpoints, interpreter, "testdata/transformers_logits.py")
	for i, c := range checkpoints {
		t.Run(fmt.Sprintf("%s/%s/%s", c.model.Arch, c.model.Kind, c.model.DType), func(t *testing.T) {
			seen, worst := judged{}, 0.0
			for j, r := range c.Runs {
				worst = max(worst, seen.compare(t, c.model, r, logits[i][j]))
			}
			assert.Positive(t, seen[engine.Balanced])
			if c.model.Kind == engine.Full {
				assert.Positive(t, seen[engine.Lookup])
				assert.Positive(t, seen[engine.Position])
			}
			t.Logf("%v heads judged, largest error of a count %.2g", seen, worst)
		})
	}
}

// bound is that of docs/engines.md for n visible rows of consecutive identities.
func bound(m engine.Model, n int) float64 {
	unit := map[impls.DType]float64{impls.F32: 1.0 / (1 << 24), impls.F16: 1.0 / (1 << 11), impls.BF16: 1.0 / (1 << 8)}[m.DType]
	count, rows := float64((n+m.Identities()-1)/m.Identities()), float64(n)
	b := count * (2*rows/(1<<24) + 14*unit)
	if m.Arch == engine.Mistral && m.DType == impls.F16 {
		b += rows / (1 << 17)
	}
	return b
}

// The figures of docs/engines.md, "The bound".
func TestTransformersErrors(t *testing.T) {
	if testing.Short() {
		t.Skip("takes minutes")
	}
	interpreter := python(t, "transformers")
	var checkpoints []checkpoint
	for _, arch := range []string{engine.Mistral, engine.Gemma3} {
		for _, dtype := range []impls.DType{impls.F32, impls.F16, impls.BF16} {
			for _, window := range []int{64, 256, 1024} {
				m := engine.Model{
					Arch: arch, Kind: engine.Visible, Window: window, Layers: 2,
					Heads: 2, KVHeads: 1, HeadDim: 64, DType: dtype, Seed: 1,
				}
				path, err := m.Write(t.TempDir(), engine.HF)
				require.NoError(t, err)
				n := window + 16
				r := run{[][]int{consecutive(m, 0, 0, n)}, []int{0}, []int{n - 16, 9, 7}, true, "eager"}
				checkpoints = append(checkpoints, checkpoint{Path: path, Vocabulary: m.Vocabulary(), model: m, Runs: []run{r}})
			}
		}
	}
	logits := answered(t, checkpoints, interpreter, "testdata/transformers_logits.py")
	for i, c := range checkpoints {
		worst := judged{}.compare(t, c.model, c.Runs[0], logits[i][0])
		assert.Less(t, worst, bound(c.model, c.model.Window), "%+v", c.model)
		t.Logf("%s %s window=%d: largest error of a count %.2g", c.model.Arch, c.model.DType, c.model.Window, worst)
	}
}
