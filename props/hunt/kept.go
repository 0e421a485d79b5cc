package hunt

import (
	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/evolve"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// Corpus is what earlier hunts in a target left, and where a hunt keeps more. It is used
// by one hunt, from one goroutine.
type Corpus interface {
	// Kept is what there was when the hunt began.
	Kept() (evolve.Kept, error)
	// Failed keeps a finding, before anybody is told of it: its case, shrunk, with its
	// outcome. Of cases of one failure, of which earlier hunts may have left some, kind is
	// the same text for those that a hunt takes for one finding.
	Failed(c *corpus.Case, failure corpus.Failure, kind func(*corpus.Case) string) error
	// Agreed keeps a case that agreed and shows something new.
	Agreed(c *corpus.Case) error
	// Only drops the cases that agreed but for these.
	Only(cases []*corpus.Case) error
}

// kept is a hunt that goes on from a corpus.
type kept struct {
	Corpus
	target  window.Target
	pool    *evolve.Pool
	prunes  int // of the pool, as far as the corpus knows
	foreign bool
}

// newKept has a hunter draw from a corpus.
func newKept(h *hunter, b *run.Backends, t window.Target) (*kept, error) {
	was, err := h.o.Corpus.Kept()
	if err != nil {
		return nil, err
	}
	fitter, _ := h.backend.(run.Fitter)
	k := &kept{Corpus: h.o.Corpus, target: t, foreign: h.traits.Foreign}
	k.pool = evolve.NewPool(evolve.Source{
		Target: t, Seed: h.o.Seed, Kept: was, Draw: h.draw, Sample: draws(h.backend, t, 0),
		Takes: func(c *corpus.Case) bool {
			return b.Check(c) == nil && (fitter == nil || fitter.Takes(c))
		},
	})
	h.draw = k.pool.Next
	return k, nil
}

// plain is a case as it is kept: of the target, whichever variant of it ran.
func (k *kept) plain(c *corpus.Case) *corpus.Case {
	c = c.Clone()
	c.Target, c.Expect = k.target, &corpus.Expect{OK: true}
	return c
}

// agreed keeps a case that did, if it is worth it.
func (k *kept) agreed(c *corpus.Case) error {
	if k == nil || !k.pool.Agreed(c) {
		return nil
	}
	if err := k.Agreed(k.plain(c)); err != nil {
		return err
	}
	if n := k.pool.Prunes(); n != k.prunes {
		k.prunes = n
		return k.only()
	}
	return nil
}

// failed keeps a finding.
func (k *kept) failed(f *Finding) error {
	if k == nil {
		return nil
	}
	failure := f.Divergence.Failure(f.Small.Target)
	return k.Failed(f.Small, failure, func(c *corpus.Case) string { return findingKind(failure, c, k.foreign) })
}

// end drops what others stand for.
func (k *kept) end() error {
	if k == nil {
		return nil
	}
	k.pool.Prune()
	return k.only()
}

func (k *kept) only() error {
	var all []*corpus.Case
	for _, c := range k.pool.Cases() {
		all = append(all, k.plain(c))
	}
	return k.Only(all)
}

// nextFailure is a batch of the next kept case that failed once, alone and in the variant
// in which it did, or nil.
func (h *hunter) nextFailure() *batch {
	if h.kept == nil {
		return nil
	}
	c := h.kept.pool.NextFailure()
	if c == nil {
		return nil
	}
	h.drawn++
	return &batch{cases: []*corpus.Case{c}, numbers: []int{h.drawn}, last: h.drawn, again: true}
}
