package props

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// idle is a cache that does nothing.
type idle struct{}

func (idle) Reset() {}
func (idle) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	return keys, values, nil
}

type idleCropper struct{ idle }

func (idleCropper) Crop(int) error { return nil }

// fitted is cases that are drawn for caches, and what fitted them.
func fitted(t *testing.T, n int, cache impls.Cache, options ...Option) ([]*corpus.Case, *backend) {
	t.Helper()
	s := &suite{
		make:    func(*testing.T, impls.Shape) (impls.Cache, error) { return cache, nil },
		dtypes:  []impls.DType{impls.F32, impls.U8},
		layouts: []impls.Layout{impls.HeadsFirst},
	}
	for _, o := range options {
		o(s)
	}
	b := s.backend(t)
	draw := corpus.Draws(window.CacheTarget(), 1)
	var all []*corpus.Case
	for range n {
		c := draw()
		b.Fit(c)
		require.NoError(t, c.Check(corpus.DefaultLimit), "%s", c.Text())
		require.True(t, b.Takes(c), "%s", c.Text())
		all = append(all, c)
	}
	return all, b
}

// kinds counts the operations of cases by name.
func kinds(cases []*corpus.Case) map[string]int {
	all := map[string]int{}
	for _, c := range cases {
		for _, o := range c.Ops {
			all[o.Kind.String()]++
		}
	}
	return all
}

// A case has the operations alone that the first cache can do, and the shrinker does
// not come to others.
func TestCasesHaveWhatTheCacheCanDo(t *testing.T) {
	cases, b := fitted(t, 200, idle{})
	got := kinds(cases)
	require.Positive(t, got["append"])
	require.Positive(t, got["reset"])
	require.Len(t, got, 2, got)
	c := cases[0].Clone()
	c.Ops = append(c.Ops, corpus.Op{Kind: corpus.Crop})
	require.False(t, b.Takes(c), "a crop")

	cases, b = fitted(t, 200, idleCropper{})
	got = kinds(cases)
	require.Positive(t, got["crop"])
	require.Len(t, got, 3, got)
	require.True(t, b.Takes(c), "a crop")
	c.Ops[len(c.Ops)-1].Kind = corpus.Restore
	require.False(t, b.Takes(c), "a restore")
}

// Cases of a cache read as they print, and their blocks and order are alike.
func TestCasesOfACache(t *testing.T) {
	cases, b := fitted(t, 50, idle{}, DimsMultipleOf(8))
	dims := map[int]bool{}
	for _, c := range cases {
		dims[c.Shape.Dim] = true
		require.Zero(t, c.Shape.Dim%8)
		again, err := corpus.Parse("case", c.Text(), 0)
		require.NoError(t, err)
		require.Equal(t, window.CacheTarget(), again.Target)
		require.True(t, again.Native(), "it may fail in some runs alone")
		require.True(t, b.Takes(again))
	}
	require.Greater(t, len(dims), 2, dims)
	c := cases[0].Clone()
	c.Shape.Dim = 4
	require.False(t, b.Takes(c), "no multiple of 8")
	c = cases[0].Clone()
	c.Schedule.Kind = inplace.Descending
	require.False(t, b.Takes(c), "the cache has no such order")
}

// Each refusal since the rows before is a suspect, and no other.
func TestWatched(t *testing.T) {
	text := func(ops ...string) *corpus.Case {
		c, err := corpus.Parse("case", []byte("slidefuzz case v1\nshape batch=1 heads=1 window=2 dim=1 dtype=U8 layout=heads-first\n"+
			"target cache\nblock 1\nschedule ascending\n"+strings.Join(ops, "\n")+"\n"), 0)
		require.NoError(t, err)
		return c
	}
	refuse := &refuser{}
	_, b := fitted(t, 1, refuse)
	for _, x := range []struct {
		ops  []string
		want []int
	}{
		{[]string{"append 2 heads=2", "append 1"}, []int{1}},
		{[]string{"append 2 heads=2", "crop 0", "append 1"}, []int{1, 2}},
		{[]string{"append 2 heads=2", "reset", "append 2 heads=2", "append 1"}, []int{3}},
		{[]string{"append 1"}, nil},
	} {
		*refuse = refuser{}
		_, got, err := b.runOnce(t.Context(), text(x.ops...))
		require.NoError(t, err)
		require.Equal(t, x.want, got, x.ops)
	}
}

// refuser refuses crops and chunks of another number of heads than 1.
type refuser struct{ idle }

func (*refuser) Crop(int) error { return impls.ErrRefused }
func (*refuser) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if keys.Heads != 1 {
		err = impls.ErrRefused
	}
	return keys, values, err
}

// Numbers just outside of the dims that are declared.
func TestDimsOutside(t *testing.T) {
	for _, x := range []struct {
		o    Option
		want []int
	}{
		{Dims(), nil},
		{Dims(1, 2, 4), []int{3, 5}},
		{DimsMultipleOf(1), nil},
		{DimsMultipleOf(2), []int{1, 3}},
		{DimsMultipleOf(8), []int{1, 9, 12}},
	} {
		s := &suite{}
		x.o(s)
		require.Equal(t, x.want, s.dims.outside())
		require.False(t, slices.ContainsFunc(s.dims.outside(), s.dims.has))
	}
}
