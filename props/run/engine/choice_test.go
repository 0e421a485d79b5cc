package engine

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/engine"
)

// An engine that gives so many logits gets checkpoints that fit: one head a layer, a window
// of fewer tokens, and where a layer is full requests of few tokens.
func TestChoiceOfFewLogits(t *testing.T) {
	c := Choice{Logits: 20, Archs: []string{engine.Gemma2, engine.Gemma3}, Layers: map[string][]int{engine.Gemma3: {1}}}
	all, err := c.list()
	require.NoError(t, err)
	type key struct {
		arch   string
		layers int
	}
	windows := map[key][]int{}
	for _, m := range all {
		assert.Equal(t, engine.Visible, m.Kind)
		assert.Equal(t, 1, m.Heads)
		windows[key{m.Arch, m.Layers}] = append(windows[key{m.Arch, m.Layers}], m.Window)
		want := 0
		if m.Layers == 2 {
			// The successor, the last token, two constants and one that is not seen are five.
			want = 20 - 5 - m.Window
		}
		assert.Equal(t, want, c.room(m))
	}
	assert.Equal(t, map[key][]int{
		{engine.Gemma2, 1}: logitsWindows[1], {engine.Gemma3, 1}: logitsWindows[1], {engine.Gemma2, 2}: logitsWindows[2],
	}, windows)

	for _, wrong := range []Choice{{Windows: []int{17}}, {Kinds: []string{engine.Full}}} {
		wrong.Logits = 20
		_, err = wrong.list()
		require.ErrorContains(t, err, "20 logits can show a visible one with a window of at most 16")
	}
	some := all[0]
	some.Heads = 2
	assert.False(t, Choice{Logits: 20}.takes(some), "the other head needs as many")
	assert.True(t, Choice{}.takes(some))
	assert.Zero(t, Choice{}.room(some))
}

// Cases of an engine that gives few logits have no longer requests than these can show.
func TestCasesOfFewLogits(t *testing.T) {
	b := cutBackend(t, "", t.TempDir())
	draw, longest := b.Draws(b.Target(), 1), 0
	for range 200 {
		c := draw()
		require.True(t, b.Takes(c))
		if b.o.Models.room(modelOf(c)) == 0 {
			continue // all layers slide
		}
		for _, o := range c.Engine.Ops {
			for _, p := range o.Parts {
				longest = max(longest, p.N+p.Pad)
			}
		}
	}
	assert.LessOrEqual(t, longest, 13)
	assert.Greater(t, longest, 8)

	c, err := corpus.Parse("case.txt", []byte("slidefuzz case v1\nshape window=4\ntarget engine/cut\nmodel arch=gemma2 kind=visible layers=2 heads=1 kv=1 dim=64 dtype=F32 seed=1\nprompt a 11\ndecode a\n"), 1<<20)
	require.NoError(t, err)
	assert.False(t, b.Takes(c), "the full layer sees twelve tokens")
	c.Engine.Ops = c.Engine.Ops[:1]
	assert.True(t, b.Takes(c))
}
