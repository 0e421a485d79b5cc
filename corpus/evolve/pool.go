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

// Pool gives the cases of a hunt that goes on, and says which of them are worth keeping.
// The same source gives the same cases, whatever becomes of them: they may run at once.
type Pool struct {
	s      Source
	rng    *rand.Rand
	rarity *Rarity
	failed []*corpus.Case // still to be run, before all others and each alone
	first  []*corpus.Case // still to be run as they are
	varied chosen         // of all that were given
	kept   chosen         // of those that agreed
}

// mutated is the share of cases after the kept ones that vary one of them. What it gains,
// slidefuzz bugs --corpus measures.
const mutated = 0.5

// AtMost bounds the cases that a target keeps beside its failures, and while a hunt goes on
// twice as many. A hunt runs them before it draws anything, so they are to be a small part
// of its two thousand cases; the last of so many show little that the others do not.
const AtMost = 256

// NewPool is a pool that runs the failures first, then the other kept cases.
func NewPool(s Source) *Pool {
	h := fnv.New64a()
	h.Write([]byte(s.Target.String()))
	p := &Pool{s: s, rng: rand.New(rand.NewPCG(s.Seed, ^h.Sum64())), rarity: NewRarity(s.Sample)}
	for _, c := range s.Kept.Failures {
		if c = without(c); s.Takes(c) {
			p.failed = append(p.failed, c)
		}
	}
	var all []entry
	for _, c := range s.Kept.Cases {
		c = without(c)
		switch c.Target = s.Target; {
		case !s.Takes(c):
		case len(c.Beside) > 0: // a request of its own, and not varied
			p.failed = append(p.failed, c)
		default:
			all = append(all, entry{c, TraitsOf(c)})
		}
	}
	p.varied, p.kept = newChosen(all, p.rarity), newChosen(all, p.rarity)
	p.first = p.kept.list()
	return p
}

// without is a case as it is run: nobody knows yet what comes of it.
func without(c *corpus.Case) *corpus.Case {
	c = c.Clone()
	c.Expect = nil
	return c
}

// NextFailure is the next of the kept cases that failed once, or are of several programs, nil
// after the last. They come before those of Next.
func (p *Pool) NextFailure() (c *corpus.Case) {
	if len(p.failed) > 0 {
		c, p.failed = p.failed[0], p.failed[1:]
	}
	return c
}

// Next is the case that is run next.
func (p *Pool) Next() (c *corpus.Case) {
	if len(p.first) > 0 {
		c, p.first = p.first[0], p.first[1:]
		return c.Clone()
	}
	c = p.draw()
	p.varied.add(c)
	return c
}

// Agreed takes note of a case of Next that has run and agreed, and reports whether it is
// worth keeping. One that failed, or did not run, shows nothing.
func (p *Pool) Agreed(c *corpus.Case) bool { return p.kept.add(c) }

// tries is how often a kept case is varied until it has a meaning.
const tries = 8

// draw draws a case anew, or varies one.
func (p *Pool) draw() *corpus.Case {
	c := p.s.Draw()
	if len(p.varied.cases) > 0 && p.rng.Float64() < mutated {
		donor := c
		if p.rng.IntN(2) == 0 {
			donor = p.pick()
		}
		for range tries {
			if m := mutate(p.rng, p.pick(), donor); p.s.Takes(m) {
				return m
			}
		}
	}
	return c
}

func (p *Pool) pick() *corpus.Case {
	return p.varied.cases[p.rng.IntN(len(p.varied.cases))].c
}

// Cases are those that agreed and are worth keeping by now: at most 2*AtMost.
func (p *Pool) Cases() []*corpus.Case { return p.kept.list() }

// Prunes is how often Agreed has left cases out that others stand for: Cases is then
// without some that it had.
func (p *Pool) Prunes() int { return p.kept.prunes }

// Prune leaves out what others stand for, at the end of a hunt.
func (p *Pool) Prune() { p.kept.prune() }
