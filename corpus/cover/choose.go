package cover

import (
	"cmp"
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// searchSteps bounds the search for a smaller choice, in columns weighed: with
// 5,000 inputs, some ten seconds. What is left unsearched then, the lower bound
// tells.
const searchSteps = 400_000

// Choice is a set of inputs that covers all that any of them does.
type Choice struct {
	Inputs []int // ascending
	// Bound is a number of inputs that every such set has at least: if it is the
	// length of Inputs, there is no smaller one.
	Bound int
}

// Choose looks for the fewest inputs that together have every element that an
// input has, and of equally many those of fewer bytes. sets are the elements of
// each input, numbers of any kind, each once; sizes are the bytes of each.
//
// Set cover is NP-hard. What no choice can do without is taken and what another
// stands for is dropped, until neither is possible; what is left falls into parts
// that share nothing, and each is searched. Real corpora hardly leave a part.
func Choose(sets [][]int32, sizes []int64) Choice {
	p := newProblem(sets, sizes)
	p.reduce()
	c := Choice{Bound: len(p.chosen)}
	steps := searchSteps
	for _, part := range p.parts() {
		inputs, bound := p.search(part, &steps)
		p.chosen = append(p.chosen, inputs...)
		c.Bound += bound
	}
	c.Inputs = lighten(p.columns, p.chosen, len(sets), sizes)
	return c
}

// set is a set of small numbers, a bit each.
type set []uint64

func newSet(n int) set { return make(set, (n+63)/64) }

func (s set) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s set) drop(i int)     { s[i/64] &^= 1 << (i % 64) }
func (s set) has(i int) bool { return s[i/64]>>(i%64)&1 != 0 }

func (s set) count() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// and counts what both have.
func (s set) and(t set) int {
	n := 0
	for i, w := range s {
		n += bits.OnesCount64(w & t[i])
	}
	return n
}

// within reports whether t has all that s has of mask.
func (s set) within(t, mask set) bool {
	for i, w := range s {
		if w&mask[i]&^t[i] != 0 {
			return false
		}
	}
	return true
}

// each yields the members that mask has too, ascending.
func (s set) each(mask set, yield func(i int) bool) {
	for k, w := range s {
		for w &= mask[k]; w != 0; w &= w - 1 {
			if !yield(64*k + bits.TrailingZeros64(w)) {
				return
			}
		}
	}
}

// problem is set cover with a column for all the elements that the same inputs
// have.
type problem struct {
	sizes   []int64
	columns [][]int32 // the inputs of each column, ascending
	byCol   []set     // the same
	byInput []set     // the columns of each input
	cols    set       // those still to be covered
	inputs  set       // those that may still be chosen
	chosen  []int
}

func newProblem(sets [][]int32, sizes []int64) *problem {
	// Elements are alike if the sums of their inputs' random numbers are: of two
	// such sums of 64 bits each. Were two alike by chance, an element would be
	// lost here, which Distil would see.
	type sum [2]uint64
	random := rand.New(rand.NewPCG(1, 2))
	sums := map[int32]sum{}
	for _, elements := range sets {
		a, b := random.Uint64(), random.Uint64()
		for _, e := range elements {
			s := sums[e]
			sums[e] = sum{s[0] + a, s[1] + b}
		}
	}
	column, first := map[sum]int{}, map[int32]int{}
	p := &problem{sizes: sizes}
	for i, elements := range sets {
		for _, e := range elements {
			c, ok := first[e]
			if !ok {
				if _, alike := column[sums[e]]; alike {
					continue
				}
				c = len(p.columns)
				column[sums[e]], first[e] = c, c
				p.columns = append(p.columns, nil)
			}
			p.columns[c] = append(p.columns[c], int32(i))
		}
	}
	p.cols, p.inputs = newSet(len(p.columns)), newSet(len(sets))
	p.byInput = make([]set, len(sets))
	for i := range p.byInput {
		p.byInput[i] = newSet(len(p.columns))
		p.inputs.add(i)
	}
	for c, inputs := range p.columns {
		p.byCol = append(p.byCol, newSet(len(sets)))
		p.cols.add(c)
		for _, i := range inputs {
			p.byCol[c].add(int(i))
			p.byInput[i].add(c)
		}
	}
	return p
}

// take chooses an input: what it covers is covered.
func (p *problem) take(i int) {
	p.chosen = append(p.chosen, i)
	p.inputs.drop(i)
	for k, w := range p.byInput[i] {
		p.cols[k] &^= w
	}
}

// reduce takes and drops until it can do neither: an input is taken that alone
// has a column, a column is dropped that every choice covers which covers another,
// and an input is dropped if another has all its columns.
func (p *problem) reduce() {
	for changed := true; changed; {
		changed = false
		for c := range p.columns {
			if !p.cols.has(c) {
				continue
			}
			if p.byCol[c].and(p.inputs) == 1 {
				p.byCol[c].each(p.inputs, func(i int) bool { p.take(i); return false })
				changed = true
				continue
			}
			// The columns that have all inputs of c are among those of any of them.
			var some int
			p.byCol[c].each(p.inputs, func(i int) bool { some = i; return false })
			p.byInput[some].each(p.cols, func(d int) bool {
				if d != c && p.byCol[c].within(p.byCol[d], p.inputs) {
					p.cols.drop(d)
					changed = true
				}
				return true
			})
		}
		for i := range p.byInput {
			if p.inputs.has(i) && p.stoodFor(i) {
				p.inputs.drop(i)
				changed = true
			}
		}
	}
}

// stoodFor reports whether another input has all columns of i, and is preferred
// where both have the same.
func (p *problem) stoodFor(i int) bool {
	if p.byInput[i].and(p.cols) == 0 {
		return true
	}
	// Who has all columns has the rarest.
	rarest, least := -1, math.MaxInt
	p.byInput[i].each(p.cols, func(c int) bool {
		if n := p.byCol[c].and(p.inputs); n < least {
			rarest, least = c, n
		}
		return true
	})
	found := false
	p.byCol[rarest].each(p.inputs, func(j int) bool {
		if j == i || !p.byInput[i].within(p.byInput[j], p.cols) {
			return true
		}
		same := p.byInput[j].within(p.byInput[i], p.cols)
		found = !same || p.sizes[j] < p.sizes[i] || p.sizes[j] == p.sizes[i] && j < i
		return !found
	})
	return found
}

// parts are the columns still to be covered, in groups of which no two share an
// input.
func (p *problem) parts() []set {
	var all []set
	left := slices.Clone(p.cols)
	for c := range p.columns {
		if !left.has(c) {
			continue
		}
		part, todo := newSet(len(p.columns)), []int{c}
		left.drop(c)
		for len(todo) > 0 {
			c := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			part.add(c)
			p.byCol[c].each(p.inputs, func(i int) bool {
				p.byInput[i].each(left, func(d int) bool {
					left.drop(d)
					todo = append(todo, d)
					return true
				})
				return true
			})
		}
		all = append(all, part)
	}
	return all
}

// search looks for the fewest inputs for a part, and returns how many it takes at
// least. It stops when the steps are used up.
func (p *problem) search(part set, steps *int) (best []int, bound int) {
	best = p.greedy(part)
	bound = p.bound(part)
	done := len(best) == bound
	var chosen []int
	var descend func(left set)
	descend = func(left set) {
		n := left.count()
		if *steps -= n + 1; *steps < 0 || done {
			return
		}
		if n == 0 {
			best = slices.Clone(chosen) // it is shorter, or the bound had stopped it
			done = len(best) == bound
			return
		}
		if len(chosen)+p.bound(left) >= len(best) {
			return
		}
		// One of the inputs of the rarest column is in every choice.
		rarest, least := -1, math.MaxInt
		left.each(left, func(c int) bool {
			if n := p.byCol[c].and(p.inputs); n < least {
				rarest, least = c, n
			}
			return true
		})
		var tries []int
		p.byCol[rarest].each(p.inputs, func(i int) bool { tries = append(tries, i); return true })
		slices.SortStableFunc(tries, func(a, b int) int {
			return cmp.Or(p.byInput[b].and(left)-p.byInput[a].and(left), cmp.Compare(p.sizes[a], p.sizes[b]))
		})
		for _, i := range tries {
			rest := slices.Clone(left)
			for k, w := range p.byInput[i] {
				rest[k] &^= w
			}
			chosen = append(chosen, i)
			descend(rest)
			chosen = chosen[:len(chosen)-1]
		}
	}
	if !done {
		descend(part)
		if *steps >= 0 {
			bound = len(best) // all was searched
		}
	}
	return best, bound
}

// greedy takes what covers most of what is left, time and again.
func (p *problem) greedy(part set) (chosen []int) {
	left := slices.Clone(part)
	for left.count() > 0 {
		best, most := -1, 0
		p.inputs.each(p.inputs, func(i int) bool {
			n := p.byInput[i].and(left)
			if n > most || n == most && n > 0 && p.sizes[i] < p.sizes[best] {
				best, most = i, n
			}
			return true
		})
		chosen = append(chosen, best)
		for k, w := range p.byInput[best] {
			left[k] &^= w
		}
	}
	return chosen
}

// bound is how many inputs it takes at least to cover columns, by the duality of
// linear programming: if each column is given a weight so that those of no input
// weigh more than 1, every choice has as many inputs as all columns weigh. Each is
// given what fits, those of the fewest inputs first: weights of 0 and 1, a set of
// columns of which no two share an input. Or each gets a share of 1 by its
// inputs with most columns, and then what still fits.
func (p *problem) bound(cols set) int {
	var order []int
	cols.each(cols, func(c int) bool { order = append(order, c); return true })
	slices.SortStableFunc(order, func(a, b int) int { return p.byCol[a].and(p.inputs) - p.byCol[b].and(p.inputs) })
	most := 0
	for _, shares := range [...]bool{false, true} {
		room := make([]float64, len(p.byInput)) // what fits into each input
		for i := range room {
			room[i] = 1
		}
		total := 0.0
		give := func(weight func(i int) float64) {
			for _, c := range order {
				w := math.Inf(1)
				p.byCol[c].each(p.inputs, func(i int) bool { w = min(w, weight(i)); return true })
				p.byCol[c].each(p.inputs, func(i int) bool { room[i] -= w; return true })
				total += w
			}
		}
		if shares {
			count := make([]float64, len(p.byInput))
			p.inputs.each(p.inputs, func(i int) bool { count[i] = float64(p.byInput[i].and(cols)); return true })
			give(func(i int) float64 { return 1 / count[i] })
		}
		give(func(i int) float64 { return max(room[i], 0) })
		// Rounding errs by far less than a millionth; a whole number must not be
		// rounded up.
		most = max(most, int(math.Ceil(total-1e-6)))
	}
	return most
}

// lighten leaves out the inputs that others make needless, largest first, and puts
// smaller ones in the places of others, as long as they cover the same.
func lighten(columns [][]int32, chosen []int, inputs int, sizes []int64) []int {
	times := make([]int, len(columns)) // how many chosen inputs have it
	of := make([][]int, inputs)        // the columns of each input
	for c, all := range columns {
		for _, i := range all {
			of[i] = append(of[i], c)
		}
	}
	for _, i := range chosen {
		for _, c := range of[i] {
			times[c]++
		}
	}
	chosen = slices.Clone(chosen)
	slices.SortFunc(chosen, func(a, b int) int { return cmp.Or(cmp.Compare(sizes[b], sizes[a]), b-a) })
	chosen = slices.DeleteFunc(chosen, func(i int) bool {
		for _, c := range of[i] {
			if times[c] == 1 {
				return false
			}
		}
		for _, c := range of[i] {
			times[c]--
		}
		return true
	})
	for k, i := range chosen {
		// Who has all that i alone has?
		has, alone := map[int32]int{}, 0
		for _, c := range of[i] {
			if times[c] == 1 {
				alone++
				for _, j := range columns[c] {
					has[j]++
				}
			}
		}
		best := i
		for j, n := range has {
			if n == alone && (sizes[j] < sizes[best] || sizes[j] == sizes[best] && int(j) < best) {
				best = int(j)
			}
		}
		if best == i {
			continue
		}
		for _, c := range of[i] {
			times[c]--
		}
		for _, c := range of[best] {
			times[c]++
		}
		chosen[k] = best
	}
	slices.Sort(chosen)
	return chosen
}
