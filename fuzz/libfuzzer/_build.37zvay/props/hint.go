package props

import (
	"fmt"
	"slices"
	"github.com/slidefuzz/slidefuzz/fuzz/libfuzzer/testing"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/oracle"
)

const (
	// hintCases is enough to meet most faults: then no hint is given.
	hintCases = 300
	hintTime  = 5 * time.Second
)

// hint names an option under which the cache agrees with the oracle, if there is one:
// the cache may be sound, and promise something else than the test says.
func (s *suite) hint(t *testing.T, d *corpus.Divergence, seed int64) string {
	t.Helper()
	if d.Fault == corpus.FaultChanged || d.Fault == corpus.FaultCaller {
		return "" // wrong under any promise
	}
	end := time.Now().Add(hintTime)
	for _, other := range s.others() {
		o := *s
		o.options = slices.Clone(s.options)
		other.change(&o)
		b := o.backend(t)
		next := corpus.Draws(window.CacheTarget(), uint64(seed))
		tried, agrees := 0, true
		for ; agrees && tried < hintCases; tried++ {
			if time.Now().After(end) {
				return ""
			}
			c := next()
			b.Fit(c)
			d, _, err := b.runOnce(t.Context(), c)
			agrees = d == nil && err == nil
		}
		if agrees {
			return fmt.Sprintf("hint: %s the cache agrees with the oracle in %d cases. If that is what it promises, say so; else it has a fault.", other.text, tried)
		}
	}
	return ""
}

// otherOptions is a change of the options, and how it is said.
type otherOptions struct {
	text   string
	change func(*suite)
}

// others lists what is most often forgotten, the least change first.
func (s *suite) others() []otherOptions {
	chunks := otherOptions{"with props.Chunks()", func(s *suite) { s.contract = oracle.Chunks }}
	if s.contract == oracle.Chunks {
		chunks = otherOptions{"without props.Chunks()", func(s *suite) { s.contract = oracle.Single }}
	}
	without := func(kinds ...corpus.Feature) otherOptions {
		return otherOptions{"with " + withoutText(kinds), func(s *suite) {
			Without(append(append(append([]corpus.Feature{}, s.limits.Kinds...), s.untried...), kinds...)...)(s)
		}}
	}
	largest := func(text string, f func(int) int) otherOptions {
		return otherOptions{"with props.LargestChunk(" + text + ")", func(s *suite) { s.limits.Largest = f }}
	}
	limits := []otherOptions{
		without(corpus.MismatchedChunks),
		without(corpus.Empty),
		without(corpus.Crossing),
		without(corpus.LongChunks),
		without(corpus.Crossing, corpus.LongChunks),
		without(corpus.Crossing, corpus.LongChunks, corpus.Empty),
		without(corpus.WindowOne),
		largest("func(window int) int { return window + 1 }", func(w int) int { return w + 1 }),
		largest("func(window int) int { return window }", func(w int) int { return w }),
	}
	all := append([]otherOptions{chunks}, limits...)
	for _, l := range limits {
		all = append(all, otherOptions{chunks.text + " and " + l.text, func(s *suite) {
			chunks.change(s)
			l.change(s)
		}})
	}
	return all
}

// withoutText is the option as it is written in Go.
func withoutText(kinds []corpus.Feature) string {
	s := &suite{}
	Without(kinds...)(s)
	return s.options[0].text
}
