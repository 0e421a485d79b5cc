package props

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// deadlineSlack is left of the time that go test has, for the shrinker and the other
// subtests.
const deadlineSlack = shrinkTime + 30*time.Second

// testOracle runs random sequences: as many as -slidefuzz.cases says, and again with
// another seed until the time of -slidefuzz.time is over.
func (s *suite) testOracle(t *testing.T) {
	b := s.backend(t)
	end := time.Now().Add(*timeFlag)
	if deadline, ok := t.Deadline(); ok && end.After(deadline.Add(-deadlineSlack)) {
		end = deadline.Add(-deadlineSlack)
	}
	from := seedOf(t)
	cases := casesOf(t)
	for round := int64(0); ; round++ {
		if !b.sequences(t, from+round, cases) {
			return
		}
		if !time.Now().Before(end) {
			t.Logf("%d cases; %s", (round+1)*int64(cases), judge.CountsText(b.judge.Counts()))
			return
		}
	}
}

// sequences runs random sequences of one seed, and reports whether all agree with the
// oracle. The smallest of one that does not is printed.
func (b *backend) sequences(t *testing.T, seed int64, cases int) bool {
	t.Helper()
	var now, failed *corpus.Case // the case under way, and the one that is being shrunk
	var found *corpus.Divergence
	tried := 0
	defer func() {
		// The constructor or the cache may have ended the test, as t.Skip does.
		switch {
		case failed != nil:
			t.Errorf("%s\n%s\nnot shrunk: the test was ended meanwhile", found, b.s.text(failed, nil))
		case now != nil:
			t.Logf("the test was ended in this case:\n%s", b.s.text(now, nil))
		}
	}()
	p := parameters(seed, cases)
	result := ForAll(func(c *corpus.Case) (bool, error) {
		b.Fit(c)
		now = c
		d, err := b.runner().One(t.Context(), c)
		now = nil
		tried++
		if err == nil && d != nil {
			failed, found = c, d
			return false, nil
		}
		return err == nil, err
	}, drawn(window.CacheTarget())).Check(p)
	if result.Error != nil || found == nil && !result.Passed() {
		err := result.Error
		if err == nil {
			err = errors.New(result.Status.String())
		}
		t.Errorf("after %d cases: %v%s\n%s", tried, err, trimmed(result.ErrorStack), again(t, seed, cases))
	}
	if found == nil {
		return result.Passed()
	}
	t.Log(judge.CountsText(b.judge.Counts())) // those of the shrinker are of no interest
	small, d, stats, err := b.runner().Minimize(t.Context(), failed, found)
	if err != nil {
		t.Errorf("%s\n%s\nnot shrunk: %v\n%s", found, b.s.text(failed, found), err, again(t, seed, cases))
		failed = nil
		return false
	}
	failed = nil
	text := b.s.failed(t, small, d, stats, "after "+corpus.Plural(tried, "case"))
	t.Errorf("%s\n%s\nfind it again:\n\t%s", text, b.s.keep(t, small, d), again(t, seed, cases))
	if hint := b.s.hint(t, d, seed); hint != "" { // afterwards, since it makes caches
		t.Error(hint)
	}
	return false
}

// trimmed is a stack on lines of its own.
func trimmed(stack []byte) string {
	if len(stack) == 0 {
		return ""
	}
	return "\n" + string(stack)
}

// testConcurrent runs two sequences at once, each on a cache and a goroutine of its
// own, in turn as they come: caches that share memory disturb each other, and under
// go test -race that is a data race. What fails alone too, the subtest Oracle tells.
func (s *suite) testConcurrent(t *testing.T) {
	b := s.backend(t)
	next := corpus.Draws(window.CacheTarget(), uint64(seedOf(t)))
	pairs := max(10, casesOf(t)/concurrentShare)
	for range pairs {
		pair := [2]*corpus.Case{next(), next()}
		for _, c := range pair {
			b.Fit(c)
		}
		d, err := s.together(t, pair)
		if err != nil {
			t.Fatalf("%v\n%s\nand at once\n%s\nfind it again:\n\t%s", err, b.s.text(pair[0], nil), b.s.text(pair[1], nil), again(t, seedOf(t), casesOf(t)))
		}
		for i, c := range pair {
			if d[i] == nil || s.alone(t, b, c) {
				continue
			}
			t.Fatalf("%s\ntwo caches at once, each on a goroutine of its own, share something: alone it agrees with the oracle in %d runs\n%s\nwhile the other does\n%s\nfind it again:\n\t%s",
				d[i], aloneRuns, b.s.text(c, d[i]), b.s.text(pair[1-i], nil), again(t, seedOf(t), casesOf(t)))
		}
	}
}

const (
	// concurrentShare leaves this subtest less time than Oracle takes: what two caches
	// share, almost any pair of sequences disturbs.
	concurrentShare = 7
	// aloneRuns is how often a sequence is run alone, to tell what two caches share
	// from what is wrong with one: a failure of one run in fifty shows in all but two
	// of a thousand times.
	aloneRuns = 300
)

// alone reports whether a case fails by itself.
func (s *suite) alone(t *testing.T, b *backend, c *corpus.Case) bool {
	t.Helper()
	for range aloneRuns {
		if d, err := b.one(t.Context(), c); d != nil || err != nil {
			return true
		}
	}
	return false
}

// together runs two cases at once. The caches are made before and closed afterwards,
// by this goroutine.
func (s *suite) together(t *testing.T, pair [2]*corpus.Case) (d [2]*corpus.Divergence, err error) {
	t.Helper()
	ended := [2]bool{true, true} // by the cache, as t.Skip does
	err = s.withCache(t, pair[0].Shape, func(first impls.Cache) error {
		return s.withCache(t, pair[1].Shape, func(second impls.Cache) error {
			var errs [2]error
			var both sync.WaitGroup
			for i, cache := range [...]impls.Cache{first, second} {
				both.Go(func() {
					d[i], errs[i] = s.judge().Cache(t.Context(), pair[i], run.Cache(cache), s.contract)
					ended[i] = false
				})
			}
			both.Wait()
			return errors.Join(errs[0], errs[1])
		})
	})
	switch {
	case err != nil || !ended[0] && !ended[1]:
		return d, err
	case t.Skipped():
		t.SkipNow()
	case t.Failed():
		t.FailNow()
	}
	return d, errors.New("the cache ended the goroutine that called it")
}
