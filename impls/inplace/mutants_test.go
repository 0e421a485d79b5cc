package inplace

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What mutants of these lines lived through: see .ci/mutants.
func TestNamesOfAllLetters(t *testing.T) {
	for _, name := range []string{"z", "Z", "a", "_", "z9"} {
		s, err := ParseStmt(name + " = x[0:1]")
		require.NoError(t, err, name)
		require.Equal(t, name+" = x[0:1]", s.String())
	}
	_, err := ParseStmt("9 = x[0:1]")
	require.Error(t, err)
}

func TestNestingInTheLastArgument(t *testing.T) {
	text := "t = " + strings.Repeat("index_copy(x[0:1], [0], ", maxDepth+2) + "x[0:1]" + strings.Repeat(")", maxDepth+2)
	_, err := ParseStmt(text)
	require.ErrorContains(t, err, "nested expressions")
}

func TestKernelOfNothing(t *testing.T) {
	k := NewKernel(0, 4, nil)
	require.Zero(t, k.Cells())
	require.Zero(t, k.Blocks())
}

// Stretches that touch and share no cell need no order.
func TestNeighboursAreDisjoint(t *testing.T) {
	require.True(t, NewKernel(0, 1, []Copy{{To: 0, From: 2, N: 2}}).disjoint)
	require.False(t, NewKernel(0, 1, []Copy{{To: 0, From: 1, N: 2}}).disjoint)
}
