package inplace

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// By how many rows a copy moves those that it reads and overwrites: the destination's
// number less the source's.
func TestMoves(t *testing.T) {
	b := binding{&object{store: 1}, []int{2, 3, 5}}
	of := func(rows ...row) []int { return moves(b, value{rows: rows}) }
	one := func(r int) row { return row{{1, r}} }
	require.Equal(t, []int{-1, -2}, of(one(3), one(5), one(7)))
	require.Equal(t, []int{1, 2}, of(one(1), one(2), one(3)))
	require.Equal(t, []int{-3, 3}, of(one(5), one(3), one(2)), "a row that stays does not move")
	require.Empty(t, of(one(0), one(1), one(4)), "rows that are not written")
	require.Empty(t, of(row{{0, 3}}, row{{0, 5}}, row{{2, 2}}), "rows of other storages")
	require.Equal(t, []int{-1, -3, 1}, of(row{{1, 3}, {0, 3}, {1, 5}}, row{{1, 3}, {1, 2}}, one(5)), "each summand of a sum")
}

// Which statements the known-bad lowerings get wrong, by their kernels: one fewer than
// Fused where a buffer between is left out or an assignment joins the one before, one more
// where a value is read early.
func TestKernelsOfFaults(t *testing.T) {
	for _, x := range []struct {
		how        Lowering
		fused, bad int
		lines      []string
	}{
		// A move by one row is seen, wherever it is.
		{DropFar, 2, 2, []string{"x[0:5] = x[1:6]"}},
		{DropFar, 2, 2, []string{"x[1:3] = x[2:4]"}},
		{DropFar, 2, 2, []string{"x[2:4] = x[1:3]"}},
		{DropFar, 2, 2, []string{"x[4:6] = x[3:5]"}},
		{DropFar, 2, 1, []string{"x[0:4] = x[2:6]"}},
		{DropFar, 2, 1, []string{"x[2:6] = x[0:4]"}},
		{DropFar, 1, 1, []string{"x[0:2] = x[2:4]"}},
		// Only whole runs of rows that go to later ones.
		{ChunkForward, 2, 2, []string{"x[0:4] = x[1:5]"}},
		{ChunkForward, 2, 2, []string{"x[1:3] = x[2:4]"}},
		{ChunkForward, 2, 1, []string{"x[1:5] = x[0:4]"}},
		{ChunkForward, 2, 1, []string{"x[3:6] = x[1:4]"}},
		{ChunkForward, 2, 2, []string{"x[1:5] = flip(x[0:4])"}},
		{ChunkForward, 2, 2, []string{"x[4:0:-1] = x[0:4]"}},
		// Only where a later statement returns rows of what is written, reshaped.
		{DropReshaped, 3, 2, []string{"x[0:3] = x[1:4]", "return reshape(x[0:2])"}},
		{DropReshaped, 4, 3, []string{"x[0:3] = x[1:4]", "y[0:1] = y[1:2]", "return reshape(x[0:2])"}},
		{DropReshaped, 3, 2, []string{"t = x[0:4]", "x[0:3] = x[1:4]", "return reshape(t[0:2])"}},
		{DropReshaped, 2, 2, []string{"x[0:3] = x[1:4]"}},
		{DropReshaped, 3, 3, []string{"x[0:3] = x[1:4]", "return x[0:2]"}},
		{DropReshaped, 3, 3, []string{"x[0:3] = x[1:4]", "return transpose(x[0:2])"}},
		{DropReshaped, 3, 3, []string{"x[0:3] = x[1:4]", "return reshape(y[0:2])"}},
		{DropReshaped, 3, 3, []string{"x[0:3] = x[1:4]", "return reshape(flip(x[0:2]))"}},
		{DropReshaped, 3, 3, []string{"return reshape(x[0:2])", "x[0:3] = x[1:4]"}},
		{DropReshaped, 3, 3, []string{"y[0:1] = y[1:2]", "return reshape(x[0:2])", "x[0:3] = y[0:3]"}},
		// Only where the copy reads a row that the assignment by an index writes.
		{FuseIndex, 3, 2, []string{"x[[2]] = x[0:1]", "y[0:1] = x[2:3]"}},
		{FuseIndex, 3, 3, []string{"x[[2]] = x[0:1]", "y[0:1] = x[1:2]"}},
		{FuseIndex, 3, 3, []string{"x[[2]] = x[0:1]", "y[0:1] = x[3:4]"}},
		{FuseIndex, 3, 2, []string{"x[[2, 3]] = x[0:2]", "y[0:1] = x[3:4]"}},
		{FuseIndex, 3, 2, []string{"x[[2, 3]] = x[0:2]", "y[0:2] = x[1:3]"}},
		// Only what the next statement reads by itself, not what it gives a name.
		{ReadEarly, 1, 1, []string{"x[0:1] = y[1:2]", "t = x[0:1]"}},
		{ReadEarly, 1, 2, []string{"x[0:1] = y[1:2]", "t = clone(x[0:1])"}},
		{ReadEarly, 2, 3, []string{"x[0:1] = y[1:2]", "y[0:1] = x[0:1]"}},
		{ReadEarly, 2, 2, []string{"x[0:1] = y[1:2]", "y[0:1] = x[1:2]"}},
	} {
		require.Equal(t, x.fused, kernelsOf(t, Fused, x.lines...), "fused %q", x.lines)
		require.Equal(t, x.bad, kernelsOf(t, x.how, x.lines...), "%s %q", x.how, x.lines)
	}
}

// Terms go on after a copy where there are as many as it has, each of its storage and as
// far on as the copy is long.
func TestCopyContinues(t *testing.T) {
	c := Copy{Src: 1, From: 10, N: 4, More: []Term{{2, 20}, {1, 30}}}
	next := func() []Term { return []Term{{1, 14}, {2, 24}, {1, 34}} }
	require.True(t, c.continues(next()))
	require.False(t, c.continues(next()[:2]))
	require.False(t, c.continues(append(next(), Term{1, 44})))
	for i := range 3 {
		other := next()
		other[i].Src++
		require.False(t, c.continues(other), "term %d is of another storage", i)
		for _, by := range []int{-1, 1, -4, -8} {
			other = next()
			other[i].From += by
			require.False(t, c.continues(other), "term %d is %d elements off", i, by)
		}
	}
	alone := Copy{Src: 1, From: 10, N: 4}
	require.True(t, alone.continues([]Term{{1, 14}}))
	require.False(t, alone.continues([]Term{{1, 6}}))
	require.False(t, alone.continues(nil))
	require.False(t, alone.continues(next()[:2]))
}
