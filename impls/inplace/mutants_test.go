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

// kernelsOf is how many kernels a program has in a lowering.
func kernelsOf(t *testing.T, how Lowering, lines ...string) int {
	t.Helper()
	p := Program{Buffers: []Buffer{{"x", 6}, {"y", 4}}}
	for _, line := range lines {
		s, err := ParseStmt(line)
		require.NoError(t, err)
		p.Stmts = append(p.Stmts, s)
	}
	require.NoError(t, p.Check())
	return len(lower(p, how, 1).kernels)
}

// Which statements need a copy of their source, and which are done in place.
func TestKernelsOfStatements(t *testing.T) {
	for _, x := range []struct {
		line         string
		eager, fused int
	}{
		{"x[[0, 1]] = y[0:2]", 2, 1},
		{"x[[0, 1]] = x[1:3]", 2, 2}, // the source is what is being written
		{"x[[0, 1]] = x[4:6]", 2, 2}, // also where no row is: a barrier asks for a buffer
		{"x[[]] = y[0:0]", 1, 1},
		{"x[[0, 1]] = gather(y[0:4], [1, 2])", 2, 1},
		{"x[[0, 1]] = gather(y[0:4], [2, 1])", 2, 2},
		{"x[[0, 1]] = cat(y[0:1], x[2:3])", 2, 2},
		{"x[0:2] = y[0:2]", 2, 1},
		{"x[0:2] = x[2:4]", 2, 1},
		{"x[0:2] = x[1:3]", 2, 2},
		{"x[1:3] = x[0:2]", 2, 2},
		{"x[0:2] = x[0:2]", 2, 1},
		{"x[1:3] = cat(x[1:2], y[0:1])", 2, 1}, // a row copied to itself does no harm
		{"x[2:3] = x[3:4]", 2, 1},
		{"x[0:6:2] = x[1:6:2]", 2, 1},
		{"x[0:6] = index_copy(x[0:6], [5], y[0:1])", 3, 1},
		{"x[0:6] = index_copy(x[0:6], [5], x[0:1])", 3, 2},
		{"x[0:5] = index_copy(x[1:6], [4], y[0:1])", 3, 3},
		{"x[0:2] += y[0:2]", 2, 1},
		{"x[0:2] += x[1:3]", 2, 2},
	} {
		require.Equal(t, x.eager, kernelsOf(t, Eager, x.line), "eager %s", x.line)
		require.Equal(t, x.fused, kernelsOf(t, Fused, x.line), "fused %s", x.line)
	}
}
