package corpus

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

const engineText = `slidefuzz case v1
shape window=8
target engine/transformers
model arch=gemma3 kind=visible layers=2 heads=8 kv=2 dim=64 dtype=F32 seed=1
pad a 4
prompt a 5 + prompt b 9
decode a + decode b
chunk b 3
crop b 7
fork b c
decode c + chunk a 2 + prompt d 1
drop a
expect op=2 tensor=sliding fault=foreign rate=3/20
`

func TestEngineText(t *testing.T) {
	c, err := Parse("case", []byte(engineText), 0)
	require.NoError(t, err)
	require.Equal(t, engineText, string(c.Text()))
	require.Equal(t, engineText, string(c.Clone().Text()))
	require.Equal(t, 8, c.Shape.Window)
	require.Equal(t, Model{Arch: "gemma3", Kind: "visible", Layers: 2, Heads: 8, KVHeads: 2, Dim: 64, DType: impls.F32, Seed: 1}, c.Engine.Model)
	require.Equal(t, []string{"a", "b", "c", "d"}, c.Engine.Requests())
	require.Equal(t, []Part{{PartPrompt, "a", 5, 4}, {PartPrompt, "b", 9, 0}}, c.Engine.Ops[0].Parts)
	require.Len(t, c.Engine.Ops, 7)
	require.Equal(t, 23, c.Tokens())
	require.True(t, c.Native())
	require.Equal(t, []Feature{Together, Unequal, Joins, Leaves, Chunked, Crops, Forks, Padded}, FeaturesOf(c))
	d := c.Clone()
	d.Engine.Ops[0].Parts[0].N = 6
	require.Equal(t, 5, c.Engine.Ops[0].Parts[0].N, "a clone shares nothing")
	require.Negative(t, Compare(c, d))
	commented := strings.Replace(engineText, "drop a", "drop a # done", 1)
	again, err := Parse("case", []byte(commented), 0)
	require.NoError(t, err)
	require.Equal(t, commented, string(again.Text()))
}

func TestEngineTextErrors(t *testing.T) {
	for _, x := range []struct{ from, to, says string }{
		{"shape window=8", "shape batch=1 heads=1 window=8 dim=1 dtype=F32 layout=heads-first", "its window alone"},
		{"target engine/transformers", "target roll/fused/sim", ":4: want \"=\""},
		{"arch=gemma3", "arch=gpt", ":4: model: arch=gpt: want one of mistral, gemma2, gemma3"},
		{"kv=2", "kv=3", ":4: model: heads=8 kv=3: want"},
		{" seed=1", "", ":4: model: want all of arch"},
		{"prompt b 9", "prompt a 9", ":6: operation 1: a twice in one forward"},
		{"chunk b 3", "chunk e 3", ":8: operation 3: chunk e 3: there is no request e"},
		{"chunk b 3", "prompt b 3", ":8: operation 3: prompt b 3: there is a request b"},
		{"crop b 7", "crop b 99", ":9: operation 4: crop b 99: the request has 13 tokens"},
		{"crop b 7", "crop 7", ":9: crop 7: want crop R N"},
		{"fork b c", "fork b a", ":10: operation 5: fork b a: there is a request a"},
		{"fork b c", "fork b", ":10: fork b: want fork R S"},
		{"pad a 4", "pad c 4", ":6: pad c: the next line must have its prompt"},
		{"decode c", "decoded c", ":11: unknown word \"decoded\""},
		{"prompt d 1", "prompt d", ":11: prompt d: want prompt R N"},
		{"drop a", "drop a b", ":12: request \"a b\": want a name"},
		{"drop a", "append 3", "operations of a cache or a program"},
		{"drop a", "block 1", "an engine case has no line \"block\""},
		{"drop a", "pad a 3", "pad a: the next line must have its prompt"},
		{"heads=8 kv=2 dim=64", "heads=256 kv=256 dim=1024", "over the limit of 256 MiB"},
	} {
		_, err := Parse("case", []byte(strings.Replace(engineText, x.from, x.to, 1)), 0)
		require.ErrorContains(t, err, x.says, "%s for %s", x.to, x.from)
		require.ErrorContains(t, err, "case:")
	}
	_, err := Parse("case", []byte("slidefuzz case v1\nshape window=8\ntarget roll/fused/sim\nblock 1\nschedule ascending\n"), 0)
	require.ErrorContains(t, err, "case:2: shape: want all of batch")
}

// drawn are drawers of engines that can much and little.
func drawers() map[string]*EngineDrawer {
	models := []WindowModel{
		{3, Model{Arch: "mistral", Kind: "visible", Layers: 2, Heads: 2, KVHeads: 1, Dim: 64, Seed: 1}},
		{8, Model{Arch: "gemma3", Kind: "full", Layers: 2, Heads: 8, KVHeads: 2, Dim: 64, Seed: 1}},
	}
	all := map[string]*EngineDrawer{}
	for name, can := range map[string]EngineCan{
		"nothing":    {MaxRequests: 1},
		"batches":    {Chunks: true, Padding: true, Crop: true, Fork: true},
		"everything": {Crop: true, Fork: true, Chunks: true, Join: true, Padding: true},
		"limits":     {Chunks: true, Join: true, MaxRequests: 2, MaxContext: 40},
		"cached":     {Crop: true, Fork: true, Chunks: true, Join: true, Cached: true},
	} {
		all[name] = &EngineDrawer{Can: can, Models: models, Identities: func(WindowModel) int { return 58 }}
	}
	return all
}

// What is drawn has a meaning, is what the engine can be asked, and is the same again
// from the same seed and from its text. Everything that can be drawn is.
func TestEngineDraws(t *testing.T) {
	for name, d := range drawers() {
		met := map[Feature]int{}
		target := window.EngineTarget("test")
		draw, again := d.Cases(target, 7), d.Cases(target, 7)
		for range 400 {
			c := draw()
			require.NoError(t, c.Check(DefaultLimit), "%s\n%s", name, c.Text())
			require.True(t, d.Can.Takes(c), "%s\n%s", name, c.Text())
			require.NotEmpty(t, c.Engine.Ops)
			require.Equal(t, string(c.Text()), string(again().Text()))
			read, err := Parse("case", c.Text(), 0)
			require.NoError(t, err, "%s", c.Text())
			require.Empty(t, cmp.Diff(c, read, cmpopts.IgnoreUnexported(Case{}), cmpopts.EquateEmpty()), "%s", c.Text())
			for _, f := range FeaturesOf(c) {
				met[f]++
			}
		}
		want := map[string][]Feature{
			"nothing":    {Reuse},
			"batches":    {Together, Unequal, Chunked, Crops, Forks, Padded, Reuse},
			"everything": {Together, Unequal, Joins, Leaves, Chunked, Crops, Forks, Padded, Reuse},
			"limits":     {Together, Unequal, Joins, Leaves, Chunked},
		}[name]
		for _, f := range want {
			require.Positive(t, met[f], "%s: %s in %v", name, f, met)
		}
		if name == "nothing" || name == "limits" {
			require.Zero(t, met[Crops]+met[Forks]+met[Padded], name)
		}
	}
}

// An engine is not asked what it cannot do.
func TestEngineTakes(t *testing.T) {
	all := drawers()
	none := all["nothing"].Can
	r := rand.New(rand.NewPCG(1, 2))
	refused := 0
	for range 200 {
		c := all["everything"].Draw(r, all["everything"].Models[0])
		require.True(t, all["everything"].Can.Takes(c))
		if !none.Takes(c) {
			refused++
		}
	}
	require.Greater(t, refused, 100)
}

// Where prompts are kept, requests begin after all others have ended: with the
// identities that the first had.
func TestPromptsBeginAgain(t *testing.T) {
	for name, d := range drawers() {
		draw, again := d.Cases(window.EngineTarget("test"), 3), 0
		for range 100 {
			open := Open{}
			for i, o := range draw().Engine.Ops {
				if len(open) == 0 && i > 0 {
					again++
				}
				require.NoError(t, open.After(&o))
			}
		}
		if name == "cached" {
			require.Greater(t, again, 50)
		} else {
			require.Less(t, again, 50, name)
		}
	}
}
