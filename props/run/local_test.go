package run_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// A case's outcome does not depend on the cases before it, which ran in the same memory: all
// targets by turns in one runner, of all shapes, layouts, types and orders, give cell for
// cell what each gives in a runner of its own.
func TestOutcomesDoNotDependOnCasesBefore(t *testing.T) {
	cases := 40
	if testing.Short() {
		cases = 8
	}
	var draws []func() *corpus.Case
	for _, of := range window.Targets() {
		if of.Device == "sim" || !of.Racy() { // else the machine orders its blocks: another outcome each time
			draws = append(draws, corpus.Draws(of, 1))
		}
	}
	one, diverged := run.Local(), 0
	for range cases {
		for _, draw := range draws {
			c := draw()
			got, err := one.One(t.Context(), c)
			require.NoError(t, err, c.Text())
			want, err := run.Local().One(t.Context(), c)
			require.NoError(t, err)
			require.Equal(t, want, got, c.Text())
			if want != nil {
				diverged++
			}
		}
	}
	require.Greater(t, diverged, 5*cases, "known-bad targets are among them, and fail")
}
