package corpus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDistil(t *testing.T) {
	// From large to small.
	cases := []*Case{
		{Block: 1, Ops: []Op{{N: 3}, {N: 1}, {N: 1}}},
		{Block: 1, Ops: []Op{{N: 2}, {N: 1}}},
		{Block: 1, Ops: []Op{{N: 1}}},
		{Block: 1},
	}
	keys := [][]string{{"a", "b"}, {"a"}, {"a"}, nil}
	require.Equal(t, []int{0, 2}, Distil(cases, func(i int) []string { return keys[i] }),
		"the smallest with a, the only one with b, none of what nothing asks for")
	require.Empty(t, Distil(nil, nil))
}
