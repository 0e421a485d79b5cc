package reference

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/caches"
	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// sequence is a request as a test knows it.
type sequence struct {
	tokens []int
	pad    int
}

// alone is the logits of a sequence's last token in an engine that has nothing else to
// do and computes all its tokens at once.
func alone(t *testing.T, e *Engine, s sequence) []float32 {
	t.Helper()
	rows, err := e.Forward(t.Context(), []engine.Chunk{{Request: "only", Tokens: s.tokens, Pad: s.pad, New: true}}, false)
	require.NoError(t, err)
	require.NoError(t, e.Drop(t.Context(), "only"))
	require.Len(t, rows, 1)
	return rows[0]
}

// walk does random operations and returns the largest difference between the logits
// of a request and those of its tokens alone.
func walk(t *testing.T, e, judge *Engine, seed uint64, steps int) (worst float64) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 7))
	live, names, next := map[string]sequence{}, []string(nil), 0
	name := func() string { next++; return fmt.Sprint("r", next) }
	for range steps {
		switch op := random.IntN(8); {
		case op == 0 && len(names) > 0:
			r := names[random.IntN(len(names))]
			s := live[r]
			s.tokens = s.tokens[:max(s.pad+1, random.IntN(len(s.tokens)+1))]
			require.NoError(t, e.Crop(t.Context(), r, len(s.tokens)))
			live[r] = s
		case op == 1 && len(names) > 0 && len(names) < 4:
			r, as := names[random.IntN(len(names))], name()
			require.NoError(t, e.Fork(t.Context(), r, as))
			live[as] = sequence{slices.Clone(live[r].tokens), live[r].pad}
			names = append(names, as)
		case op == 2 && len(names) > 0:
			i := random.IntN(len(names))
			require.NoError(t, e.Drop(t.Context(), names[i]))
			delete(live, names[i])
			names = slices.Delete(names, i, i+1)
		default:
			var chunks []engine.Chunk
			for _, r := range names {
				if random.IntN(3) > 0 {
					n := 1
					if random.IntN(3) == 0 {
						n = 1 + random.IntN(9)
					}
					chunks = append(chunks, engine.Chunk{Request: r, Tokens: randomTokens(random, n)})
				}
			}
			if len(names) < 4 && random.IntN(2) == 0 || len(chunks) == 0 {
				c := engine.Chunk{Request: name(), Tokens: randomTokens(random, 1+random.IntN(14)), New: true}
				c.Pad = random.IntN(2) * random.IntN(len(c.Tokens))
				names, chunks = append(names, c.Request), append(chunks, c)
			}
			random.Shuffle(len(chunks), func(i, j int) { chunks[i], chunks[j] = chunks[j], chunks[i] })
			rows, err := e.Forward(t.Context(), chunks, false)
			require.NoError(t, err)
			require.Len(t, rows, len(chunks))
			for i, c := range chunks {
				s := live[c.Request]
				s.tokens, s.pad = append(slices.Clone(s.tokens), c.Tokens...), s.pad+c.Pad
				live[c.Request] = s
				worst = max(worst, difference(rows[i], alone(t, judge, s)))
			}
		}
	}
	return worst
}

// Whatever is done to a request and whatever lies under the layers, its logits are those
// of its tokens alone. Where the windows are one token too wide they are not.
func TestRequestsAreWhatTheyWouldBeAlone(t *testing.T) {
	names := []string{"", "roll/fused/sim", "cat/fused/sim", "shift-index/fused/sim", "roll/fused/host"}
	for _, i := range caches.List() {
		if i.Sound && i.Name != "hybrid" && i.DimMultiple == 1 {
			names = append(names, "go/"+i.Name)
		}
	}
	require.Greater(t, len(names), 10)
	for _, m := range []tiny{{"mistral", 3, impls.F32}, {"gemma2", 4, impls.F16}, {"gemma3_text", 5, impls.BF16}} {
		dir := m.write(t)
		judge := loaded(t, dir, Options{Cache: "go/sliding"})
		for i, name := range names {
			seed := uint64(i)
			e := loaded(t, dir, Options{Cache: name, Order: inplace.Schedule{Kind: inplace.Descending}, Attention: Attentions()[i%4]})
			// A row of two bytes is rounded another way if the sum before it was.
			limit := map[impls.DType]float64{impls.F32: 1e-4, impls.F16: 5e-3, impls.BF16: 5e-2}[m.dtype]
			require.Less(t, walk(t, e, judge, seed, 60), limit, "%s under %s, seed %d", name, m.arch, seed)
		}
		wrong := loaded(t, dir, Options{Fault: "window-plus-one"})
		require.Greater(t, walk(t, wrong, judge, 1, 60), 0.05, m.arch)
	}
}

// What is refused leaves all as it was.
func TestRefusals(t *testing.T) {
	dir := tiny{"gemma3_text", 4, impls.F32}.write(t)
	e, judge := loaded(t, dir, Options{}), loaded(t, dir, Options{})
	ctx := t.Context()
	forward := func(chunks ...engine.Chunk) error {
		_, err := e.Forward(ctx, chunks, false)
		return err
	}
	require.NoError(t, forward(engine.Chunk{Request: "a", Tokens: []int{1, 2, 3, 4, 5, 6}, New: true}))
	for name, err := range map[string]error{
		"there already":   forward(engine.Chunk{Request: "a", Tokens: []int{1}, New: true}),
		"not there":       forward(engine.Chunk{Request: "b", Tokens: []int{1}}),
		"twice":           forward(engine.Chunk{Request: "a", Tokens: []int{1}}, engine.Chunk{Request: "a", Tokens: []int{1}}),
		"no tokens":       forward(engine.Chunk{Request: "a"}),
		"no such token":   forward(engine.Chunk{Request: "a", Tokens: []int{tinyVocabulary}}),
		"negative token":  forward(engine.Chunk{Request: "a", Tokens: []int{-1}}),
		"padding inside":  forward(engine.Chunk{Request: "a", Tokens: []int{1, 2}, Pad: 1}),
		"all padding":     forward(engine.Chunk{Request: "b", Tokens: []int{1, 2}, Pad: 3, New: true}),
		"one of two":      forward(engine.Chunk{Request: "c", Tokens: []int{1}, New: true}, engine.Chunk{Request: "d", Tokens: []int{1}}),
		"crop of none":    e.Crop(ctx, "b", 1),
		"crop too long":   e.Crop(ctx, "a", 7),
		"crop to nothing": e.Crop(ctx, "a", 0),
		"fork of none":    e.Fork(ctx, "b", "c"),
		"fork to itself":  e.Fork(ctx, "a", "a"),
		"drop of none":    e.Drop(ctx, "a", "b"),
		"drop twice":      e.Drop(ctx, "a", "a"),
	} {
		require.ErrorIs(t, err, impls.ErrRefused, name)
	}
	rows, err := e.Forward(ctx, []engine.Chunk{{Request: "a", Tokens: []int{7}}}, false)
	require.NoError(t, err)
	require.Less(t, difference(rows[0], alone(t, judge, sequence{tokens: []int{1, 2, 3, 4, 5, 6, 7}})), 1e-5)
}

// Options that there are not are errors that say what there is.
func TestOptions(t *testing.T) {
	for want, o := range map[string]Options{
		"window-plus-one":      {Fault: "none-such"},
		"all-scores":           {Attention: "flash"},
		"no built-in cache":    {Cache: "go/none-such"},
		"no cache of this":     {Cache: "up-shift/fused/sim"},
		"want update/lowering": {Cache: "ring"},
	} {
		_, err := New(o)
		require.ErrorContains(t, err, want)
	}
	dir := tiny{"mistral", 4, impls.F32}.write(t)
	e, err := New(Options{Cache: "go/ring", Together: true})
	require.NoError(t, err)
	require.ErrorContains(t, e.Load(t.Context(), dir, engine.HF, 4), "one that can is beams")
	e, err = New(Options{Cache: "go/aligned"})
	require.NoError(t, err)
	require.Error(t, e.Load(t.Context(), dir, engine.HF, 4), "6 is no multiple of 8")
	e, err = New(Options{})
	require.NoError(t, err)
	require.ErrorContains(t, e.Load(t.Context(), dir, engine.HF, 5), "a window of 4, not 5")
	require.ErrorContains(t, e.Load(t.Context(), dir, engine.GGUF, 4), "hf alone")
	_, err = e.Forward(t.Context(), nil, false)
	require.ErrorContains(t, err, "no checkpoint")
}
