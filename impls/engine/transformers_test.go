package engine_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/engine"
)

// answered gives runs to a script and reads their logits: by run, entry, position.
func answered(t *testing.T, m engine.Model, runs []run, interpreter string, args ...string) (logits [][][][]float32) {
	t.Helper()
	input, err := json.Marshal(runs)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), interpreter, args...)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(input), os.Stderr
	cmd.Env = append(os.Environ(), "HF_HUB_OFFLINE=1")
	output, err := cmd.Output()
	require.NoError(t, err)
	reader := bytes.NewReader(output)
	for _, r := range runs {
		var entries [][][]float32
		for _, tokens := range r.Tokens {
			var rows [][]float32
			for range tokens {
				row := make([]float32, m.Vocabulary())
				require.NoError(t, binary.Read(reader, binary.LittleEndian, row))
				rows = append(rows, row)
			}
			entries = append(entries, rows)
		}
		logits = append(logits, entries)
	}
	require.Zero(t, reader.Len(), "more logits than were asked for")
	return logits
}

// ones is n ones.
func ones(n int) []int {
	s := make([]int, n)
	for i := range s {
		s[i] = 1
	}
	return s
}

func TestTransformersReadsFolder(t *testing.T) {
	interpreter := python(t, "transformers")
	for _, m := range []engine.Model{
		{Arch: engine.Mistral, Kind: engine.Visible, Window: 5, Layers: 2, Heads: 4, KVHeads: 2, HeadDim: 64, Seed: 1},
		{Arch: engine.Gemma2, Kind: engine.Visible, Window: 5, Layers: 3, Heads: 4, KVHeads: 2, HeadDim: 32, Seed: 2},
		{Arch: engine.Gemma3, Kind: engine.Visible, Window: 8, Layers: 2, Heads: 4, KVHeads: 1, HeadDim: 64, Seed: 3},
		{Arch: engine.Mistral, Kind: engine.Full, Window: 4, Layers: 2, Heads: engine.FullHeads(4, 2), KVHeads: 2, HeadDim: 32, Seed: 1},
		{Arch: engine.Gemma2, Kind: engine.Full, Window: 3, Layers: 2, Heads: engine.FullHeads(3, 2), KVHeads: 2, HeadDim: 64, Seed: 2},
		{Arch: engine.Gemma3, Kind: engine.Full, Window: 4, Layers: 2, Heads: engine.FullHeads(4, 2), KVHeads: 2, HeadDim: 32, Seed: 3},
	} {
		for _, m.DType = range []impls.DType{impls.F32, impls.F16, impls.BF16} {
			t.Run(fmt.Sprintf("%s/%s/%s", m.Arch, m.Kind, m.DType), func(t *testing.T) {
				if testing.Short() && m.DType != impls.F32 {
					t.Skip("other element types take half a minute")
				}
				path, err := m.Write(t.TempDir(), engine.HF)
				require.NoError(t, err)
				const n = 20
				tokens := [][]int{consecutive(m, 0, 3, n), consecutive(m, n-3, 9, 3), consecutive(m, 6, 1, n-6)}
				pad := []int{0, n - 3, 6}
				var runs []run
				for _, attention := range []string{"eager", "sdpa"} {
					runs = append(runs,
						run{tokens, pad, []int{n}, false, attention},
						run{tokens, pad, append([]int{n - 8}, ones(8)...), true, attention},
						run{tokens, pad, []int{3, 9, 1, 7}, true, attention},
						run{tokens[:1], pad[:1], ones(n), true, attention})
				}
				seen, worst := judged{}, 0.0
				for i, logits := range answered(t, m, runs, interpreter, "testdata/transformers_logits.py", path) {
					worst = max(worst, seen.compare(t, m, runs[i], logits))
				}
				assert.Positive(t, seen[engine.Balanced])
				if m.Kind == engine.Full {
					assert.Positive(t, seen[engine.Lookup])
					assert.Positive(t, seen[engine.Position])
				}
				t.Logf("%v heads judged, largest error of a count %.2g", seen, worst)
			})
		}
	}
}
