package evolve

import (
	"math"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// Rarity is how seldom draws have each trait, from some of them.
type Rarity struct {
	of    int
	times map[Trait]int
}

// sampled is how many draws tell what is rare: a trait that none of them has is one of
// some hundred cases.
const sampled = 300

// NewRarity draws cases, which nobody runs, and counts what they have.
func NewRarity(draw func() *corpus.Case) *Rarity {
	r := &Rarity{of: sampled, times: map[Trait]int{}}
	for range sampled {
		for _, t := range TraitsOf(draw()) {
			r.times[t]++
		}
	}
	return r
}

// weight is the surprise at a trait, in bits.
func (r *Rarity) weight(t Trait) float64 {
	return math.Log2(float64(r.of+1) / (float64(r.times[t]) + 0.5))
}

// Order chooses the cases that are worth keeping, at most so many, the first those that
// show most that is rare and that none before them shows: cases whose traits are all
// shown by others are left out. The result are indices.
func Order(traits [][]Trait, r *Rarity, atMost int) []int {
	// Numbers for traits, since most of the work is to look them up.
	number, sets := map[Trait]int32{}, make([][]int32, len(traits))
	var weights []float64
	for i, all := range traits {
		sets[i] = make([]int32, len(all))
		for k, t := range all {
			n, ok := number[t]
			if !ok {
				n = int32(len(weights))
				number[t] = n
				weights = append(weights, r.weight(t))
			}
			sets[i][k] = n
		}
	}
	gain := func(i int) (sum float64) {
		for _, n := range sets[i] {
			sum += weights[n]
		}
		return sum
	}
	// What a case would add only falls as others are chosen, so an old figure is a bound.
	bounds := make([]float64, len(traits))
	for i := range bounds {
		bounds[i] = gain(i)
	}
	var chosen []int
	for len(chosen) < atMost {
		best, most := -1, 0.
		for i, b := range bounds {
			if b <= most {
				continue
			}
			if bounds[i] = gain(i); bounds[i] > most {
				best, most = i, bounds[i]
			}
		}
		if best < 0 {
			break
		}
		chosen = append(chosen, best)
		bounds[best] = 0
		for _, n := range sets[best] {
			weights[n] = 0 // it is shown
		}
	}
	return chosen
}
