package engine_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls/engine"
)

func TestLlamaCppReadsFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("a server for each of the models takes half a minute")
	}
	interpreter := python(t, "engines")
	var checkpoints []checkpoint
	for _, m := range models(false, engine.Gemma2, engine.Gemma3) {
		path, err := m.Write(t.TempDir(), engine.GGUF)
		require.NoError(t, err)
		tokens := [][]int{consecutive(m, 0, 3, 24), consecutive(m, 0, 9, 24)}
		checkpoints = append(checkpoints, checkpoint{Path: path, Vocabulary: m.Vocabulary(), model: m, Runs: []run{
			{Tokens: tokens, Pad: []int{0, 0}, Chunks: append([]int{14}, ones(10)...)}, // its prompt cache gives wrong rows: docs/findings.md
			{Tokens: tokens[:1], Pad: []int{0}, Chunks: []int{24}},
		}})
	}
	logits := answered(t, checkpoints, interpreter, "testdata/llamacpp_logits.py")
	for i, c := range checkpoints {
		t.Run(fmt.Sprintf("%s/%s/%s", c.model.Arch, c.model.Kind, c.model.DType), func(t *testing.T) {
			seen, worst := judged{}, 0.0
			for j, r := range c.Runs {
				worst = max(worst, seen.compare(t, c.model, r, logits[i][j]))
			}
			assert.Positive(t, seen[engine.Balanced])
			t.Logf("%v heads judged, largest error of a count %.2g", seen, worst)
		})
	}
}
