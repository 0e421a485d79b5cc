package evolve

import (
	"hash/fnv"
	"math/rand/v2"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// Kept is what earlier hunts in a target left: cases that failed, and cases that agreed
// and were worth keeping.
type Kept struct{ Failures, Cases []*corpus.Case }

// Source is what a pool is made of.
type Source struct {
	Target window.Target
	Seed   uint64
	Kept   Kept
	// Draw draws a case anew. Sample draws too, and what it draws is not run: it is
	// another stream of the same.
	Draw, Sample func() *corpus.Case
	// Takes reports whether a case has a meaning and can be run.
	Takes func(*corpus.Case) bool
}

// Pool gives the cases of a hunt that goes on. The same source gives the same.
type Pool struct {
	s      Source
	rng    *rand.Rand
	rarity *Rarity
	failed []*corpus.Case // still to be run, before all others
	first  []*corpus.Case // still to be run as they are
	cases  []entry        // what is varied
	shown  map[Trait]bool
	prunes int // how often cases were left out
}

type entry struct {
	c      *corpus.Case
	traits []Trait
}

// What these gain, slidefuzz bugs --corpus measures.
const (
	// Share of the cases after the kept ones that vary one of them.
	mutated = 0.5
	// candidates is how many cases are made for one that is run: the one that shows
	// most that is new.
	candidates = 1
)

// AtMost bounds the cases that a target keeps beside its failures, and while a hunt goes on
// twice as many. A hunt runs them before it draws anything, so they are to be a small part
// of its two thousand cases; the last of so many show little that the others do not.
const AtMost = 256

// NewPool is a pool that runs the failures first, then the other kept cases.
func NewPool(s Source) *Pool {
	h := fnv.New64a()
	h.Write([]byte(s.Target.String()))
	p := &Pool{s: s, rng: rand.New(rand.NewPCG(s.Seed, ^h.Sum64())), rarity: NewRarity(s.Sample), shown: map[Trait]bool{}}
	for _, c := range s.Kept.Failures {
		if c = without(c); s.Takes(c) {
			p.failed = append(p.failed, c)
		}
	}
	for _, c := range s.Kept.Cases {
		c = without(c)
		if c.Target = s.Target; s.Takes(c) {
			p.cases = append(p.cases, entry{c, TraitsOf(c)})
		}
	}
	p.prune()
	for _, e := range p.cases {
		p.first = append(p.first, e.c)
		p.show(e.traits)
	}
	return p
}

// without is a case as it is run: nobody knows yet what comes of it.
func without(c *corpus.Case) *corpus.Case {
	c = c.Clone()
	c.Expect = nil
	return c
}

// NextFailure is the next of the kept cases that failed once, nil after the last. They
// come before those of Next.
func (p *Pool) NextFailure() (c *corpus.Case) {
	if len(p.failed) > 0 {
		c, p.failed = p.failed[0], p.failed[1:]
	}
	return c
}

func (p *Pool) show(traits []Trait) (fresh bool) {
	for _, t := range traits {
		if !p.shown[t] {
			p.shown[t] = true
			fresh = true
		}
	}
	return fresh
}

// prune leaves the cases that are worth keeping, in the order in which they are run.
func (p *Pool) prune() {
	traits := make([][]Trait, len(p.cases))
	for i := range p.cases {
		traits[i] = p.cases[i].traits
	}
	var kept []entry
	for _, i := range Order(traits, p.rarity, AtMost) {
		kept = append(kept, p.cases[i])
	}
	p.cases = kept
}

// Next is the case that is run next, and whether it is worth keeping where it agrees.
func (p *Pool) Next() (c *corpus.Case, keep bool) {
	if len(p.first) > 0 {
		c, p.first = p.first[0], p.first[1:]
		return c.Clone(), false
	}
	var best entry
	most := -1.
	for range candidates {
		e := p.make()
		gain := 0.
		for _, t := range e.traits {
			if !p.shown[t] {
				gain += p.rarity.weight(t)
			}
		}
		if gain > most {
			best, most = e, gain
		}
	}
	if keep = p.show(best.traits); keep {
		p.cases = append(p.cases, entry{best.c.Clone(), best.traits})
		if len(p.cases) >= 2*AtMost {
			p.prune()
			p.prunes++
		}
	}
	return best.c, keep
}

// tries is how often a kept case is varied until it has a meaning.
const tries = 8

func (p *Pool) make() entry {
	c := p.s.Draw()
	if len(p.cases) > 0 && p.rng.Float64() < mutated {
		donor := c
		if p.rng.IntN(2) == 0 {
			donor = p.pick()
		}
		for range tries {
			if m := mutate(p.rng, p.pick(), donor); p.s.Takes(m) {
				c = m
				break
			}
		}
	}
	return entry{c, TraitsOf(c)}
}

func (p *Pool) pick() *corpus.Case { return p.cases[p.rng.IntN(len(p.cases))].c }

// Cases are those that are worth keeping by now, beside failures: at most 2*AtMost.
func (p *Pool) Cases() []*corpus.Case {
	all := make([]*corpus.Case, 0, len(p.cases))
	for i := range p.cases {
		all = append(all, p.cases[i].c)
	}
	return all
}

// Prunes is how often Next has left cases out that others stand for: Cases is then without
// some that it had.
func (p *Pool) Prunes() int { return p.prunes }

// Prune leaves out what others stand for, at the end of a hunt.
func (p *Pool) Prune() { p.prune() }
