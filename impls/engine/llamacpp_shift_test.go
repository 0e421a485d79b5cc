package engine_test

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/engine/llamacpp"
)

// shiftContext is the smallest context that llama.cpp makes: it rounds up to 256.
const shiftContext = 256

// shiftServer starts llama.cpp's server with one slot of shiftContext tokens.
func shiftServer(t *testing.T, m engine.Model, flags ...string) *llamacpp.Server {
	t.Helper()
	path, err := m.Write(t.TempDir(), engine.GGUF)
	require.NoError(t, err)
	s := &llamacpp.Server{Command: append([]string{
		python(t, "llamacpp"), "llamacpp/serve.py", "--context-shift", "--parallel", "1",
		"--ctx-size", strconv.Itoa(shiftContext), "--ctx-checkpoints", "0", "--cache-ram", "0",
	}, flags...)}
	require.NoError(t, s.Load(t.Context(), path, engine.GGUF))
	t.Cleanup(s.Close)
	return s
}

// shifted is what a slot holds before the next token: where it is full, the older half
// of what comes after the first keep tokens has gone, and what is left has moved up.
func shifted(held []int, keep int) []int {
	if len(held)+1 < shiftContext {
		return held
	}
	discarded := (len(held) - keep) / 2
	return slices.Concat(held[:keep], held[keep+discarded:])
}

// After a context shift each query sees the tokens that are left, in a window of their
// new positions; keys are turned to those. Case files have no operation for it
// (docs/engines.md), so that it is here: two shifts in one request.
func TestLlamaCppShiftsItsContext(t *testing.T) {
	if testing.Short() {
		t.Skip("a server for each of the models, and hundreds of tokens")
	}
	const prompt, steps = 240, 160 // the first shift is soon, the second half a context later
	for _, arch := range []string{engine.Gemma2, engine.Gemma3} {
		for keep, m := range map[int]engine.Model{
			0: {Arch: arch, Kind: engine.Visible, Window: 8, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 64, DType: impls.F32, Seed: 1},
			5: {Arch: arch, Kind: engine.Full, Window: 4, Layers: 2, Heads: engine.FullHeads(4, 2), KVHeads: 2, HeadDim: 32, DType: impls.F32, Seed: 2},
		} {
			t.Run(fmt.Sprintf("%s/%s/keep %d", arch, m.Kind, keep), func(t *testing.T) {
				// The cache of the sliding layers must be as large as that of the full
				// ones. In a context of 256 it is, rounded up.
				flags := []string{"--keep", strconv.Itoa(keep)}
				if arch == engine.Gemma2 {
					flags = append(flags, "--swa-full")
				}
				s := shiftServer(t, m, flags...)
				held := consecutive(m, 0, 9, prompt)
				rows, err := s.Complete(t.Context(), held, steps)
				require.NoError(t, err)
				require.Len(t, rows, steps)
				seen, shifts, worst := judged{}, 0, 0.0
				for i, row := range rows {
					if i > 0 {
						next := (held[len(held)-1] + 1) % m.Identities()
						if left := shifted(held, keep); len(left) < len(held) {
							held = left
							shifts++
						}
						held = append(slices.Clone(held), next)
					}
					worst = max(worst, seen.last(t, m, held, row, i))
				}
				assert.Equal(t, 2, shifts)
				assert.Positive(t, seen[engine.Balanced])
				t.Logf("%v heads judged, largest error of a count %.2g", seen, worst)
			})
		}
	}
}

// last compares what the last query of some tokens sees with what it must see, and
// returns the largest error of a count.
func (j judged) last(t *testing.T, m engine.Model, tokens []int, row []float32, step int) (worst float64) {
	t.Helper()
	reading, err := m.Read(row)
	require.NoError(t, err)
	p := len(tokens) - 1
	for layer, heads := range reading.Heads {
		first := 0
		if m.Sliding(layer) {
			first = max(0, p-m.Window+1)
		}
		for h, head := range heads {
			want, n := wanted(m, head, tokens, first, p)
			if n == 0 {
				continue
			}
			j[head.Role]++
			for id, share := range head.Shares {
				off := math.Abs(share*n - want[id])
				worst = max(worst, off)
				require.Less(t, off, 0.3, "step %d, %d tokens held, layer %d, head %d (%s %d) sees %g of id %d, want %g",
					step, len(tokens), layer, h, head.Role, head.Offset, share*n, id, want[id])
			}
		}
	}
	return worst
}

// In a larger context a cache with a window cannot be shifted: the server ends a request
// where its context does.
func TestLlamaCppEndsWithItsContext(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds to start")
	}
	m := engine.Model{Arch: engine.Gemma3, Kind: engine.Visible, Window: 8, Layers: 2, Heads: 2, KVHeads: 1, HeadDim: 32, DType: impls.F32}
	const context, prompt = 2 * shiftContext, 2*shiftContext - 20
	rows, err := shiftServer(t, m, "--ctx-size", strconv.Itoa(context)).Complete(t.Context(), consecutive(m, 0, 0, prompt), 2*(context-prompt))
	require.NoError(t, err)
	require.Len(t, rows, context-prompt)
}
