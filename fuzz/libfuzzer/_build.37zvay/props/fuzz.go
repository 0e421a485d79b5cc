package props

import (
	"fmt"
	"os"
	"github.com/slidefuzz/slidefuzz/fuzz/libfuzzer/testing"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
)

// FuzzCache fuzzes a cache of a user's own with go test -fuzz: an input becomes a case,
// as [corpus.DecodeCache] makes it, which is run on a new cache and judged as by
// [TestCache]. newCache and the options are as for that; it is called for each input,
// by several processes at once.
//
//	func FuzzMyCache(f *testing.F) { props.FuzzCache(f, newMyCache, props.Chunks()) }
//
//	go test -run '^$' -fuzz '^FuzzMyCache$' -fuzztime 100000x
//
// The text of a case is an input too. Five seeds are added to those under testdata/fuzz,
// unless SLIDEFUZZ_NO_SEEDS is set, to see what fuzzing finds alone. A failure prints the smallest case as a call of
// [ReplayCache] to paste.
func FuzzCache(f *testing.F, newCache func(t *testing.T, s impls.Shape) (impls.Cache, error), options ...Option) {
	f.Helper()
	s := newSuite(f, newCache, options)
	if os.Getenv("SLIDEFUZZ_NO_SEEDS") == "" {
		for _, seed := range cacheSeeds {
			f.Add([]byte(seed))
		}
	}
	executions := 0
	f.Fuzz(func(t *testing.T, in []byte) {
		executions++
		b := s.backend(t)
		c := corpus.DecodeCache(in)
		b.Fit(c)
		d, err := b.runner().One(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if d == nil {
			return
		}
		small, d, stats, err := b.runner().Minimize(t.Context(), c, d)
		if err != nil {
			t.Fatalf("%s\n%s\nnot shrunk: %v", d, s.text(c, d), err)
		}
		t.Fatal(s.failed(t, small, d, stats, fmt.Sprintf("at execution %d of this process", executions)))
	})
}

// cacheSeeds are inputs of one feature each: decoding past the window, a long prefill
// and a reset, numbers by entry, a reordered batch.
var cacheSeeds = []string{
	"",
	"\x00\x00\x03\x04\x01\x00\x00\x00\x00\x02" + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	"\x00\x01\x01\x05\x01\x00\x00\x00\x00\x09" + "\x00\x00\x00\x00\x0f\x00\x00\x00\x00",
	"\x01\x00\x04\x00\x01\x00\x00\x00\x00\x02" + "\x0b\x01\x02\x0d\x01\x00\x00\x00\x00",
	"\x01\x02\x04\x00\x01\x00\x00\x00\x00\x02" + "\x00\x00\x00\x09\x01\x00\x00\x00\x00",
}
