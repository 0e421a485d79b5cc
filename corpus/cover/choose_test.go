package cover

import (
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// union is what inputs have together.
func union(sets [][]int32, inputs []int) []int32 {
	var all []int32
	for _, i := range inputs {
		all = append(all, sets[i]...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// fewest is the size of the smallest set of inputs that covers all, by trying every
// one.
func fewest(sets [][]int32) int {
	have := make([]uint64, len(sets))
	var all uint64
	for i, s := range sets {
		for _, e := range s {
			have[i] |= 1 << e
		}
		all |= have[i]
	}
	best := len(sets)
	for m := range uint(1) << len(sets) {
		var got uint64
		for i := range sets {
			if m>>i&1 != 0 {
				got |= have[i]
			}
		}
		if got == all {
			best = min(best, bits.OnesCount(m))
		}
	}
	return best
}

// Against every choice there is: the same elements, never fewer than the optimum,
// which the lower bound does not pass; small instances are searched to the end.
func TestChooseIsSmallest(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 12))
	for range 3000 {
		sets := make([][]int32, r.IntN(11))
		sizes := make([]int64, len(sets))
		elements, odds := 1+r.IntN(14), 1+r.IntN(6)
		every := make([]int, len(sets))
		for i := range sets {
			every[i], sizes[i] = i, int64(r.IntN(9))
			for e := range elements {
				if r.IntN(odds+1) == 0 {
					sets[i] = append(sets[i], int32(e))
				}
			}
		}
		c := Choose(sets, sizes)
		require.Equal(t, union(sets, every), union(sets, c.Inputs), "%v", sets)
		best := fewest(sets)
		require.Len(t, c.Inputs, best, "%v", sets)
		require.Equal(t, best, c.Bound, "%v", sets)
	}
}

// The parts by themselves: greedy is at least the optimum, and that at least the
// bound, also where nothing is reduced or searched.
func TestGreedyAndBound(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 12))
	worse, lower := 0, 0
	for range 2000 {
		sets := make([][]int32, 10)
		sizes := make([]int64, len(sets))
		for i := range sets {
			for e := range 12 {
				if r.IntN(4) == 0 {
					sets[i] = append(sets[i], int32(e))
				}
			}
		}
		p := newProblem(sets, sizes)
		best := fewest(sets)
		greedy, bound := len(p.greedy(p.cols)), p.bound(p.cols)
		require.GreaterOrEqual(t, greedy, best, "%v", sets)
		require.LessOrEqual(t, bound, best, "%v", sets)
		if greedy > best {
			worse++
		}
		if bound < best {
			lower++
		}
	}
	require.Positive(t, worse, "greedy was the optimum each time: the instances are too easy to tell anything")
	require.Less(t, lower, 1000, "the bound is seldom tight")
}

// A search that is cut short still covers everything and says what it knows.
func TestSearchCutShort(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 12))
	sets := make([][]int32, 60)
	every := make([]int, len(sets))
	for i := range sets {
		every[i] = i
		for e := range 90 {
			if r.IntN(8) == 0 {
				sets[i] = append(sets[i], int32(e))
			}
		}
	}
	p := newProblem(sets, make([]int64, len(sets)))
	steps := 10
	chosen, bound := p.search(p.cols, &steps)
	require.Equal(t, union(sets, every), union(sets, chosen))
	require.Less(t, bound, len(chosen))
	require.Positive(t, bound)
}

// Of equally many inputs those of fewer bytes are taken.
func TestChooseTheLighter(t *testing.T) {
	sets := [][]int32{{1, 2}, {1, 2, 3}, {1, 2}, {3, 4}, {4}}
	require.Equal(t, []int{2, 3}, Choose(sets, []int64{9, 9, 5, 1, 1}).Inputs)
	require.Equal(t, []int{1, 4}, Choose(sets, []int64{9, 3, 5, 9, 1}).Inputs)
}
