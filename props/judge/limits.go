package judge

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// Limits are chunks that a cache declares it does not take, beside those that
// its contract refuses: each must be refused, and change nothing. A chunk of one
// token is always taken. The zero value has no limits.
type Limits struct {
	// Kinds are some of corpus.Empty, Exact, Crossing and LongChunks.
	Kinds []corpus.Feature
	// Largest is the most tokens of a chunk in a window of so many rows, at
	// least 1. Nil is any number.
	Largest func(window int) int
}

// Refuse reports whether a chunk of q tokens after n must be refused, in a window
// of so many rows.
func (l *Limits) Refuse(n, q, window int) bool {
	if q == 1 {
		return false
	}
	return l.Largest != nil && q > l.Largest(window) || slices.Contains(l.Kinds, corpus.ChunkKind(n, q, window))
}

// SetLimits says what the caches of the cases to come do not take.
func (j *Judge) SetLimits(l Limits) { j.limits = l }

// promise is the contract of the cache under test, within its limits.
type promise struct{ j *Judge }

func (p promise) Refuses(n, q, window int) bool {
	return p.j.contract.Refuses(n, q, window) || p.j.limits.Refuse(n, q, window)
}
