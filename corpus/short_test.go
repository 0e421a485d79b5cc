package corpus

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// A short text has the shape and the operations of a case, and gives them back.
func TestShortIsTheCaseOfACache(t *testing.T) {
	next := (&Drawer{}).Cases(window.CacheTarget(), 1)
	for range 500 {
		c := next()
		back, err := ParseShort("short", c.Short(), 0)
		require.NoError(t, err, c.Short())
		require.Equal(t, c.Shape, back.Shape)
		require.Equal(t, c.Short(), back.Short())
		require.Equal(t, window.CacheTarget(), back.Target)
	}
}

func TestParseShort(t *testing.T) {
	want, err := ParseShort("short", "window=2 dim=8 dtype=U8; append 4; append 1", 0)
	require.NoError(t, err)
	require.Equal(t, impls.Shape{Batch: 1, Heads: 1, Window: 2, Dim: 8, DType: impls.U8}, want.Shape)
	require.Len(t, want.Ops, 2)
	for _, same := range []string{
		"shape window=2 dim=8 dtype=U8\nappend 4   # a prefill\nappend 1\n",
		"window=2 dim=8 dtype=U8;\n\n append 4;append 1;",
		"window=2 dim=8 dtype=U8; append 4 # a prefill; append 1 # a decode",
		"# why it is kept\n\nslidefuzz case v1\nshape batch=1 heads=1 window=2 dim=8 dtype=U8 layout=heads-first\ntarget cache\nblock 1\nschedule ascending\nappend 4\nappend 1\n",
	} {
		c, err := ParseShort("short", same, 0)
		require.NoError(t, err, same)
		require.Equal(t, want.Short(), c.Short(), same)
	}
	for text, problem := range map[string]string{
		"":                                     "short:1: an empty text: want a shape and operations",
		"append 4":                             "short:1: \"append 4\": want a shape first, with window=… in it",
		"window=2 dim=8":                       "short:1: \"window=2 dim=8\": want a shape first, with dtype=… in it",
		"window=2 dim=8 dtype=U8;\nappend two": "short:2: append: \"two\" is not a number",
		"window=2 dim=8 dtype=U8; select 9,9,9,9,9,9,9,9,9":      "short:1: ",
		"window=2 dim=8 dtype=U8; append 1; append 1 pad=1,1":    "short:1: operation 2: pad: 2 numbers for a batch of 1",
		"window=2 dim=8 dtype=U8; append 1000000; append 900000": "short:1: ",
	} {
		_, err := ParseShort("short", text, 1<<20)
		require.ErrorContains(t, err, problem, text)
	}
}

// The text of a case is an input of a user's fuzz target, as its own target's case; that
// of a program is bytes like others.
func TestDecodeCacheOfText(t *testing.T) {
	text := []byte("slidefuzz case v1\nshape batch=1 heads=1 window=2 dim=1 dtype=U8 layout=heads-first\ntarget roll/fused/sim\nblock 3\nschedule descending\nappend 2\nappend 1\n")
	c := DecodeCache(text)
	require.Equal(t, "window=2 dim=1 dtype=U8; append 2; append 1", c.Short())
	require.Equal(t, window.CacheTarget(), c.Target)
	require.Equal(t, 1, c.Block)
	program := DecodeCache([]byte("slidefuzz case v1\nshape batch=1 heads=1 window=1 dim=1 dtype=U8 layout=heads-first\ntarget program/fused/sim\nblock 1\nschedule ascending\nbuffer x 2\nx[0:1] = x[1:2]\n"))
	require.Equal(t, window.CacheTarget(), program.Target)
	require.NotEmpty(t, program.Ops)
}

// Every wide input is a case, and the choices that are new are among them.
func TestWideInputsAreCases(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	seen := map[Feature]int{}
	large := 0
	for range 3000 {
		in := []byte(WidePrefix)
		for range r.IntN(48) {
			in = append(in, byte(r.Uint32()))
		}
		c := Decode(in)
		require.NoError(t, c.Check(DefaultLimit), "%x", in)
		back, err := Parse("wide", c.Text(), 0)
		require.NoError(t, err)
		require.Equal(t, c.Short(), back.Short())
		require.LessOrEqual(t, len(c.Ops), maxOps)
		own := DecodeCache(in)
		require.Equal(t, c.Short(), own.Short())
		require.Equal(t, window.CacheTarget(), own.Target)
		for _, f := range FeaturesOf(c) {
			seen[f]++
		}
		if c.Shape.RowBytes() > 16 {
			large++
		}
	}
	for _, f := range Features() {
		require.Greater(t, seen[f], 20, f)
	}
	require.Greater(t, large, 300)
}
