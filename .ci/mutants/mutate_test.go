package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const snippet = `package x

type T[E any] struct{ n int }

func (t *T[E]) less(a, b int) bool {
	return a < b && -a != b*2
}

func steps(n int) int {
	for i := 0; i <= n; i++ {
		n = n%3 - i/2
	}
	return n &^ 1
}
`

// Every operator of a source is exchanged with each kind that it has, and nothing else is.
func TestMutants(t *testing.T) {
	list, err := mutants("x/x.go", []byte(snippet))
	require.NoError(t, err)
	var got [][4]string
	for i := range list {
		m := &list[i]
		before, after := m.lines([]byte(snippet))
		require.NotEqual(t, before, after)
		require.Equal(t, "x/x.go", m.file)
		got = append(got, [4]string{m.function, m.operator, before, after})
	}
	less, loop, sum := "return a < b && -a != b*2", "for i := 0; i <= n; i++ {", "n = n%3 - i/2"
	require.Equal(t, [][4]string{
		{"T.less", "conditionals-boundary", less, "return a <= b && -a != b*2"},
		{"T.less", "conditionals-negation", less, "return a >= b && -a != b*2"},
		{"T.less", "invert-negatives", less, "return a < b && +a != b*2"},
		{"T.less", "conditionals-negation", less, "return a < b && -a == b*2"},
		{"T.less", "arithmetic-base", less, "return a < b && -a != b/2"},
		{"steps", "conditionals-boundary", loop, "for i := 0; i < n; i++ {"},
		{"steps", "conditionals-negation", loop, "for i := 0; i > n; i++ {"},
		{"steps", "increment-decrement", loop, "for i := 0; i <= n; i-- {"},
		{"steps", "arithmetic-base", sum, "n = n*3 - i/2"},
		{"steps", "arithmetic-base", sum, "n = n%3 + i/2"},
		{"steps", "arithmetic-base", sum, "n = n%3 - i*2"},
	}, got)
	_, err = mutants("y.go", []byte("package"))
	require.ErrorContains(t, err, "mutating y.go")
}

func TestEquivalents(t *testing.T) {
	file := filepath.Join(t.TempDir(), "equivalent.txt")
	require.NoError(t, os.WriteFile(file, []byte("# a comment\n\na/b.go | T.f | x < 1 | x <= 1 | x is never 1\n"), 0o600))
	reasons, err := equivalents(file)
	require.NoError(t, err)
	require.Equal(t, map[key]string{{"a/b.go", "T.f", "x < 1", "x <= 1"}: "x is never 1"}, reasons)
	require.NoError(t, os.WriteFile(file, []byte("a/b.go | T.f | x < 1 | x <= 1\n"), 0o600))
	_, err = equivalents(file)
	require.ErrorContains(t, err, ":1: want FILE")
}

// Those that stand in the list are mutants of today's source: a change of the line makes
// the proof one of nothing.
func TestEquivalentsAreOfTheSource(t *testing.T) {
	root := filepath.Join("..", "..")
	reasons, err := equivalents("equivalent.txt")
	require.NoError(t, err)
	for k := range reasons {
		source, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(k.file)))
		require.NoError(t, err)
		list, err := mutants(k.file, source)
		require.NoError(t, err)
		found := false
		for i := range list {
			before, after := list[i].lines(source)
			found = found || k == key{list[i].file, list[i].function, before, after}
		}
		require.True(t, found, "%v is no mutant of %s: take it out of equivalent.txt or mend it", k, k.file)
	}
}

// A draw is the same for the same seed, and hands out each mutant once.
func TestDraw(t *testing.T) {
	fresh := func(seed uint64) *draw {
		d := &draw{sources: map[string][]byte{"x.go": []byte(snippet)}}
		var err error
		d.left, err = mutants("x.go", []byte(snippet))
		require.NoError(t, err)
		d.shuffle(seed)
		return d
	}
	texts := func(list []*trial) (all []string) {
		for _, x := range list {
			all = append(all, x.text)
		}
		return all
	}
	a, b := fresh(1), fresh(1)
	a.want, b.want = 4, 4
	first := texts(a.next(nil))
	require.Len(t, first, 4)
	require.Equal(t, first, texts(b.next(nil)))
	require.Zero(t, a.want)
	require.Empty(t, a.next(nil))
	a.want = 100
	rest := texts(a.next(nil))
	require.Len(t, rest, 7)
	require.NotSubset(t, rest, first[:1])
	c := fresh(2)
	c.want = 11
	require.NotEqual(t, append(first, rest...), texts(c.next(nil)), "another seed draws in another order")
}
