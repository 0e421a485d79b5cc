package evolve

import "github.com/slidefuzz/slidefuzz/corpus"

// chosen are cases of which each showed something new when it was added.
type chosen struct {
	rarity *Rarity
	cases  []entry
	shown  map[Trait]bool
	prunes int // how often add has left cases out
}

type entry struct {
	c      *corpus.Case
	traits []Trait
}

// newChosen chooses among cases, and puts them in the order in which they are run.
func newChosen(all []entry, r *Rarity) chosen {
	x := chosen{rarity: r, cases: all, shown: map[Trait]bool{}}
	x.prune()
	for _, e := range x.cases {
		x.show(e.traits)
	}
	return x
}

func (x *chosen) show(traits []Trait) (fresh bool) {
	for _, t := range traits {
		if !x.shown[t] {
			x.shown[t] = true
			fresh = true
		}
	}
	return fresh
}

// add adds a copy of a case if it shows something new, and reports that.
func (x *chosen) add(c *corpus.Case) bool {
	traits := TraitsOf(c)
	if !x.show(traits) {
		return false
	}
	if x.cases = append(x.cases, entry{without(c), traits}); len(x.cases) >= 2*AtMost {
		x.prune()
		x.prunes++
	}
	return true
}

// prune leaves the cases that do not show only what others do, in the order in which they
// are run.
func (x *chosen) prune() {
	traits := make([][]Trait, len(x.cases))
	for i := range x.cases {
		traits[i] = x.cases[i].traits
	}
	var left []entry
	for _, i := range Order(traits, x.rarity, AtMost) {
		left = append(left, x.cases[i])
	}
	x.cases = left
}

// list is the cases alone.
func (x *chosen) list() (all []*corpus.Case) {
	for i := range x.cases {
		all = append(all, x.cases[i].c)
	}
	return all
}
