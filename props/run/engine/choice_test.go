package engine

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls/engine"
)

// An engine that gives so many logits gets checkpoints that fit: one head, and a window of
// fewer tokens; each architecture with each window.
func TestChoiceOfFewLogits(t *testing.T) {
	all, err := Choice{Logits: 20, Archs: []string{engine.Gemma2, engine.Gemma3}}.list()
	require.NoError(t, err)
	windows := map[string][]int{}
	for _, m := range all {
		assert.Equal(t, []int{1, 1, 1}, []int{m.Layers, m.Heads, m.KVHeads})
		assert.Equal(t, engine.Visible, m.Kind)
		windows[m.Arch] = append(windows[m.Arch], m.Window)
	}
	assert.Equal(t, map[string][]int{engine.Gemma2: logitsWindows, engine.Gemma3: logitsWindows}, windows)

	_, err = Choice{Logits: 20, Windows: []int{17}}.list()
	require.ErrorContains(t, err, "20 logits can show a visible one with a window of at most 16")
	_, err = Choice{Logits: 20, Kinds: []string{engine.Full}}.list()
	require.ErrorContains(t, err, "20 logits can show a visible one")

	m := all[0]
	m.Layers = 2
	assert.False(t, Choice{Logits: 20}.takes(m), "the other layer sees more")
	assert.True(t, Choice{}.takes(m))
}
