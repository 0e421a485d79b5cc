package gpu

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Lists of a pool share no memory, whether they fit what they asked for or not.
func TestPool(t *testing.T) {
	var p pool[int]
	fill := func(n, at int) []int {
		list := p.take(n)
		require.Empty(t, list)
		for range n {
			list = append(list, at)
		}
		return p.keep(list)
	}
	for range 2 { // the second time in the memory of the first
		a := fill(3, 1)
		b := append(fill(2, 2), 9) // past its end
		long := p.take(1)
		for range 100 {
			long = append(long, 3)
		}
		long = p.keep(long)
		c := fill(4, 4)
		require.Equal(t, []int{1, 1, 1}, a)
		require.Equal(t, []int{2, 2, 9}, b)
		require.Equal(t, []int{4, 4, 4, 4}, c)
		require.Len(t, long, 100)
		require.NotContains(t, long, 4)
		p.used = 0
	}
}

// A recording's steps are the same in memory that was used before.
func TestRecordingsInUsedMemory(t *testing.T) {
	r := newRecorder()
	c := benchmarkCase(newRand(7), "cuda")
	first, err := r.record(t.Context(), c)
	require.NoError(t, err)
	want := append(first.trace.Steps[:0:0], first.trace.Steps...)
	checks := append(first.checks[:0:0], first.checks...)
	for range 20 {
		r.forget()
		_, err = r.record(t.Context(), benchmarkCase(newRand(8), "cuda"))
		require.NoError(t, err)
		again, err := r.record(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, want, again.trace.Steps)
		require.Equal(t, checks, again.checks)
	}
}
