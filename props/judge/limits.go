package judge

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
)

// Limits are what a cache declares that it does not take, beside what its contract
// refuses: each must be refused, and change nothing. A chunk of one token is always
// taken. The zero value has no limits.
type Limits struct {
	// Nothing is whether every chunk must be refused: the shape of the cache is
	// outside of its limits.
	Nothing bool
	// Kinds are some of corpus.Empty, Exact, Crossing and LongChunks.
	Kinds []corpus.Feature
	// Largest is the most tokens of a chunk in a window of so many rows, at
	// least 1. Nil is any number.
	Largest func(window int) int
	// Batches are the batches that the cache takes, nil for any.
	Batches []int
	// Slack is how many rows beyond those that the queries of a chunk see may be
	// returned after many tokens, nil for as many as the window has.
	Slack *int
}

// Refuse reports whether a chunk of q tokens after n must be refused, in a window
// of so many rows.
func (l *Limits) Refuse(n, q, window int) bool {
	if q == 1 {
		return false
	}
	return l.Largest != nil && q > l.Largest(window) || slices.Contains(l.Kinds, corpus.ChunkKind(n, q, window))
}

// Longest is the most tokens of a chunk that may be taken, in a window of so many
// rows.
func (l *Limits) Longest(window int) int {
	most := impls.MaxExtent
	if slices.Contains(l.Kinds, corpus.LongChunks) {
		most = window
	}
	if l.Largest != nil {
		most = min(most, l.Largest(window))
	}
	return most
}

// text is why something must be refused that the contract takes.
func (l *Limits) text() string {
	if l.Nothing {
		return ": the shape of the cache is outside of the limits that are declared"
	}
	return ": it is outside of the limits that are declared"
}

// SetLimits says what the caches of the cases to come do not take.
func (j *Judge) SetLimits(l Limits) { j.limits = l }

// promise is the contract of the cache under test, within its limits.
type promise struct{ j *Judge }

// Refuses is for one entry. None of its tokens may be in a chunk that has others'.
func (p promise) Refuses(n, q, window int) bool {
	if p.j.limits.Nothing || p.j.contract.Refuses(n, q, window) {
		return true
	}
	empty := p.j.c.Ops[p.j.op].Tokens() == 0
	return (q > 0 || empty) && p.j.limits.Refuse(n, q, window)
}

func (p promise) RefusesBatch(entries int) bool {
	return len(p.j.limits.Batches) > 0 && !slices.Contains(p.j.limits.Batches, entries)
}
