package engine

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// Of Gemma 3 a checkpoint has one layer, of Gemma 2 a full one too; told a window of one
// less the server is asked for Gemma 3 alone, and for no window of one token.
func TestOllamaCheckpoints(t *testing.T) {
	for name, want := range map[string]map[string]int{
		OllamaName:    {engine.Gemma3: 1, engine.Gemma2: 2},
		OllamaOneLess: {engine.Gemma3: 1},
	} {
		b, end, err := NewOllama(name, []string{"ollama", "serve"}, 0, Choice{Windows: []int{1, 4}})
		require.NoError(t, err)
		defer end()
		all, err := b.o.Models.list()
		require.NoError(t, err)
		layers, windows := map[string]int{}, map[int]bool{}
		for _, m := range all {
			layers[m.Arch], windows[m.Window] = m.Layers, true
		}
		assert.Equal(t, want, layers)
		assert.Equal(t, name == OllamaName, windows[1])
		assert.ErrorContains(t, Unnamed(window.EngineTarget(name)), "--engine "+name+" --exec 'ollama serve'")
	}
	_, _, err := NewOllama(OllamaName, []string{"ollama", "serve"}, 0, Choice{Archs: []string{engine.Mistral}})
	require.ErrorContains(t, err, "--arch: the engine takes [gemma2 gemma3] alone")
	b, end, err := NewOllama(OllamaOneLess, []string{"ollama", "serve"}, 0, Choice{Windows: []int{1}})
	if err == nil {
		defer end()
		_, err = b.o.Models.list()
	}
	require.EqualError(t, err, "no checkpoint has what was asked for: archs gemma3, windows [1]; 20 logits can show a visible one with a window of at most 16, and this engine takes windows from 2 on")
	require.ErrorContains(t, Unnamed(window.EngineTarget(ReferenceName+":rows-of-other")), "--engine reference")
}
