package engine

import (
	"math"
	"math/bits"
)

// What the keys of a checkpoint hold, by pair of elements: RoPE turns elements i and
// i+HeadDim/2 of a head at position p by the angle p·theta^(-2i/HeadDim). The first
// pairs turn by 1, about 0.1, 0.01 and 0.001 a position and carry where a token is; the
// last turn by less than a millionth and carry what it is; between them are pairs that
// no key uses.

// positionPairs are enough to tell distances apart up to some thousand positions, and
// few enough to be cheap.
const positionPairs = 4

// still is the turn a position up to which a pair counts as one that does not turn:
// after a thousand positions a score of 1 has changed by a thousandth at most.
const still = 1.0000001e-6

// theta is the base of the rotary positions: a factor of ten from pair to pair, or the
// largest power that float32 and its neighbours take with ease, in larger heads.
func (m Model) theta() float64 { return math.Pow(10, min(36, float64(m.HeadDim)/2)) }

// turn is by how much pair i turns a position, in radians.
func (m Model) turn(i int) float64 {
	return math.Pow(m.theta(), -2*float64(i)/float64(m.HeadDim))
}

// positions are the pairs that say where a token is.
func (m Model) positions() []int {
	pairs := make([]int, positionPairs)
	for n := range pairs {
		want := math.Pow(10, -float64(n))
		for i := range m.HeadDim / 2 {
			if math.Abs(math.Log(m.turn(i)/want)) < math.Abs(math.Log(m.turn(pairs[n])/want)) {
				pairs[n] = i
			}
		}
	}
	return pairs
}

// codeElements are the elements of a head that say what a token is, and spare is one
// that no key uses.
func (m Model) codeElements() (elements []int, spare int) {
	half := m.HeadDim / 2
	first := 0
	for m.turn(first) > still {
		first++
	}
	for i := first; i < half; i++ {
		elements = append(elements, i, i+half)
	}
	return elements, first - 1
}

// balancedScore is that of a whole key under a balanced head: a row of zeros, whose
// score is 0, gets e^-12 = 6e-6 of what a token gets.
const balancedScore = 12

// lookupGap is how much the score of a lookup's target passes that of any other token:
// e^-30 = 1e-13.
const lookupGap = 30

// codes gives count words of n bits with as many ones that ones minus zeros is
// balancedScore, drawn one after the other so that two agree little; agree is the
// largest number of bits in which two agree, less those in which they do not.
func codes(count, n int, r *draws) (words [][]uint64, agree int) {
	ones := (n + balancedScore) / 2
	order := make([]int, n)
	for agree = 0; ; agree++ {
		words = words[:0]
		for tries := 0; len(words) < count && tries < 300; tries++ {
			word := make([]uint64, (n+63)/64)
			for _, i := range r.shuffled(order)[:ones] {
				word[i/64] |= 1 << (i % 64)
			}
			near := false
			for _, other := range words {
				differ := 0
				for i, w := range word {
					differ += bits.OnesCount64(w ^ other[i])
				}
				if n-2*differ > agree {
					near = true
					break
				}
			}
			if !near {
				words, tries = append(words, word), 0
			}
		}
		if len(words) == count {
			return words, agree
		}
	}
}

// draws is a sequence of numbers that is the same in every version of Go (splitmix64).
type draws struct{ state uint64 }

func (r *draws) next() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// shuffled sets s to the numbers 0 … len(s)-1 in a drawn order.
func (r *draws) shuffled(s []int) []int {
	for i := range s {
		s[i] = i
	}
	for i := len(s) - 1; i > 0; i-- {
		j := int(r.next() % uint64(i+1))
		s[i], s[j] = s[j], s[i]
	}
	return s
}
