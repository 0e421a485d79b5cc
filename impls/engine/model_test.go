package engine_test

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls/engine"
)

// The same model gives the same bytes, another seed other ones.
func TestWriteIsDeterministic(t *testing.T) {
	for _, m := range models(testing.Short(), engine.Mistral, engine.Gemma2, engine.Gemma3) {
		for _, format := range []engine.Format{engine.HF, engine.GGUF} {
			file := map[engine.Format]string{engine.HF: "model.safetensors", engine.GGUF: "model.gguf"}[format]
			written := func(m engine.Model) []byte {
				dir := t.TempDir()
				_, err := m.Write(dir, format)
				require.NoError(t, err)
				b, err := os.ReadFile(filepath.Join(dir, file))
				require.NoError(t, err)
				return b
			}
			first := written(m)
			assert.Equal(t, first, written(m))
			m.Seed++
			assert.NotEqual(t, first, written(m), "seeds give values orders of their own")
		}
	}
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	sound := models(true, engine.Gemma3)[1]
	require.NoError(t, sound.Check())
	for want, change := range map[string]func(*engine.Model){
		`arch "llama"`:        func(m *engine.Model) { m.Arch = "llama" },
		`kind ""`:             func(m *engine.Model) { m.Kind = "" },
		"window=0":            func(m *engine.Model) { m.Window = 0 },
		"at most 16":          func(m *engine.Model) { m.Window = 17 },
		"no multiple of kv=4": func(m *engine.Model) { m.Heads, m.KVHeads = 18, 4 },
		"no multiple of 8":    func(m *engine.Model) { m.HeadDim = 36 },
		"needs 32":            func(m *engine.Model) { m.HeadDim = 24 },
		"needs 4 heads":       func(m *engine.Model) { m.Heads = 6 },
		"hidden elements":     func(m *engine.Model) { m.Layers, m.HeadDim = 64, 256 },
	} {
		m := sound
		change(&m)
		assert.ErrorContains(t, m.Check(), want)
	}
}

func TestReadRefusesWhatSaysNothing(t *testing.T) {
	m := models(true, engine.Gemma2)[0]
	_, err := m.Read(make([]float32, m.Vocabulary()-1))
	assert.ErrorContains(t, err, "logits of")
	_, err = m.Read(make([]float32, m.Vocabulary()))
	assert.ErrorContains(t, err, "say nothing")
	row := make([]float32, m.Vocabulary())
	for i := range row {
		row[i] = float32(math.NaN())
	}
	_, err = m.Read(row)
	assert.ErrorContains(t, err, "say nothing")
}
