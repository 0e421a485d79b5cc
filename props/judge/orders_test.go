package judge

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// The orders of a schedule are made once, whatever is asked for in between.
func TestOrdersAreRemembered(t *testing.T) {
	j := New()
	one, two := inplace.Schedule{Kind: inplace.Random, Seed: 1}, inplace.Schedule{Kind: inplace.Random, Seed: 2}
	first := j.orderOf(one)
	require.NotSame(t, first, j.orderOf(two))
	require.Same(t, first, j.orderOf(one))
}

// A position that no row claims is in none.
func TestNoHolder(t *testing.T) {
	require.Equal(t, -1, holder(func(row int) int { return row + 5 }, 4, 3))
}

// A span has its positions up to the last, and the sinks.
func TestSpans(t *testing.T) {
	for p, want := range []bool{true, true, false, true, true, false} {
		require.Equal(t, want, (&span{lo: 3, hi: 5, sinks: 2}).has(p), p)
	}
	require.False(t, (&span{lo: 3, hi: 3}).has(3), "nothing")
}
