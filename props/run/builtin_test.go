package run

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

// builtinCase is a case of a built-in cache in Go.
func builtinCase(t *testing.T, name string, dim int, ops string) *corpus.Case {
	t.Helper()
	text := fmt.Sprintf("slidefuzz case v1\nshape batch=1 heads=1 window=3 dim=%d dtype=U8 layout=heads-first\ntarget go/%s\nblock 1\nschedule ascending\n%s", dim, name, ops)
	c, err := corpus.Parse("test", []byte(text), 0)
	require.NoError(t, err)
	return c
}

// A built-in cache is judged by its own contract and limits, and what it accepted and
// refused is counted.
func TestBuiltin(t *testing.T) {
	b := Local()
	for _, x := range []struct {
		name string
		dim  int
		ops  string
		want string
	}{
		{"ring", 1, "append 3\nappend 1\nappend 2\nappend 1\n", ""},
		{"ring-narrow", 1, "append 4\nappend 1\n", ""},
		{"aligned", 8, "append 2\n", ""},
		{"aligned", 3, "append 2\n", ""}, // refused by New, as it should be
		{"hybrid", 1, "append 2\nappend 3\n", ""},
		{"ring-wraps-early", 1, "append 3\nappend 1\nappend 1\nappend 1\n", "append"},
	} {
		d, err := b.One(t.Context(), builtinCase(t, x.name, x.dim, x.ops))
		require.NoError(t, err)
		if x.want == "" {
			require.Nil(t, d, "%s: %v", x.name, d)
			continue
		}
		require.NotNil(t, d, x.name)
		require.Equal(t, x.want, d.OpKind)
	}
	counts := b.ByDevice[window.Go].(Counter).Counts()
	require.GreaterOrEqual(t, counts["append"].Refused, 1, "the chunk of two that crosses")
	require.NotContains(t, counts, "crop")
	b.ByDevice[window.Go] = newBuiltin()
	_, err := b.One(t.Context(), builtinCase(t, "ring", 1, "append 3\nappend 1\nappend 2\n"))
	require.NoError(t, err)
	require.Equal(t, map[string]judge.Count{"append": {Accepted: 2, Refused: 1}}, b.ByDevice[window.Go].(Counter).Counts())
}

// What Fit makes can be asked, but for a dim that must be refused now and then.
func TestBuiltinFit(t *testing.T) {
	b := newBuiltin()
	for _, target := range window.TargetsOn(window.Go) {
		draw := corpus.Draws(target, 1)
		outside, long := 0, 0
		for range 400 {
			c := draw()
			b.Fit(c)
			x, err := b.of(c)
			require.NoError(t, err)
			if !x.has(c.Shape) {
				outside++
				require.False(t, b.Takes(c))
				c.Shape.Dim = x.DimMultiple
			}
			require.True(t, b.Takes(c), "%s", c.Text())
			if x.MaxChunk != nil {
				for _, o := range c.Ops {
					if o.Kind == corpus.Append && o.N > x.MaxChunk(c.Shape.Window) {
						long++
					}
				}
			}
			c.Block = 2
			require.False(t, b.Takes(c), "it has no blocks")
		}
		x := b.known[target.Update]
		require.Equal(t, x.DimMultiple > 1, outside > 0, target)
		require.Equal(t, x.MaxChunk != nil, long > 0, "%s: chunks that must be refused are tried too", target)
	}
}
