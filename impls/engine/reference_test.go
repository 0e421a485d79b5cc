package engine_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/engine/reference"
)

// referenced gives one request to the reference engine in two chunks and compares all
// rows. It returns the largest error of a count.
func referenced(t *testing.T, m engine.Model, n int, seen judged) float64 {
	t.Helper()
	require.NoError(t, m.Check())
	path, err := m.Write(t.TempDir(), engine.HF)
	require.NoError(t, err)
	e, err := reference.New(reference.Options{})
	require.NoError(t, err)
	require.NoError(t, e.Load(t.Context(), path, engine.HF, m.Window))
	tokens := consecutive(m, 0, 2, n)
	var rows [][]float32
	for i, part := range [][]int{tokens[:n-5], tokens[n-5:]} {
		more, err := e.Forward(t.Context(), []engine.Chunk{{Request: "a", Tokens: part, New: i == 0}}, true)
		require.NoError(t, err)
		rows = append(rows, more...)
	}
	return seen.compare(t, m, run{Tokens: [][]int{tokens}, Pad: []int{0}}, [][][]float32{rows})
}

// What the reference engine shows is what each head must see, in every architecture,
// kind and element type.
func TestReferenceReadsEveryModel(t *testing.T) {
	seen := judged{}
	for _, m := range models(testing.Short(), engine.Mistral, engine.Gemma2, engine.Gemma3) {
		referenced(t, m, 40, seen)
	}
	for _, role := range []engine.Role{engine.Uniform, engine.Balanced, engine.Lookup, engine.Position} {
		assert.Positive(t, seen[role], "no %s head was judged", role)
	}
}

// The error of a count stays under the bound of docs/engines.md.
func TestReferenceWithinBound(t *testing.T) {
	windows := []int{64, 256, 1024}
	if testing.Short() {
		windows = windows[:2]
	}
	for _, arch := range []string{engine.Mistral, engine.Gemma3} {
		for _, dtype := range []impls.DType{impls.F32, impls.F16, impls.BF16} {
			for _, window := range windows {
				m := engine.Model{
					Arch: arch, Kind: engine.Visible, Window: window, Layers: 2,
					Heads: 2, KVHeads: 1, HeadDim: 64, DType: dtype, Seed: 1,
				}
				worst := referenced(t, m, window+16, judged{})
				assert.Less(t, worst, bound(m, window+16), "%+v", m)
				t.Logf("%s %s window=%d: largest error of a count %.2g", arch, dtype, window, worst)
			}
		}
	}
}
