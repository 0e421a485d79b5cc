// Package fuzz holds the native fuzz targets:
//
//	go test ./fuzz -run '^$' -fuzz '^FuzzUpdate$' -fuzztime 100000x
//
// Use a number of executions, not a duration: Go 1.26 can end a duration in a
// false "context deadline exceeded". To see that a fault would be found, have a
// known-bad lowering taken for a sound one:
//
//	SLIDEFUZZ_SOUND=drop-war go test ./fuzz -run '^$' -fuzz '^FuzzInPlace$' -fuzztime 10000x
package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"github.com/slidefuzz/slidefuzz/fuzz/libfuzzer/testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/fuzz/libfuzzer/_build.37zvay/props"
	"github.com/slidefuzz/slidefuzz/props/hunt"
)

// The seeds of FuzzInPlace, and of FuzzCase before they are text.
var (
	programSeeds = [][]byte{
		{},
		{1, 2, 0, 0, 0, 0, 2, 0, 0, 1, 0, 1, 0, 1},
		{0, 1, 1, 3, 1, 0, 200, 6, 0, 2, 4, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0},
	}
	caseSeeds = [][]byte{{}, {5, 3, 4, 6, 9, 7, 5, 3, 20, 0, 0, 12, 0}}
)

// trusted are the lowerings that must agree with the oracle: the sound ones,
// and those named in SLIDEFUZZ_SOUND.
func trusted(tb testing.TB) []inplace.Lowering {
	tb.Helper()
	all := []inplace.Lowering{inplace.Eager, inplace.Fused}
	for name := range strings.SplitSeq(os.Getenv("SLIDEFUZZ_SOUND"), ",") {
		if name == "" {
			continue
		}
		how, err := inplace.ParseLowering(name)
		if err != nil {
			tb.Fatalf("SLIDEFUZZ_SOUND: %v", err)
		}
		all = append(all, how)
	}
	return all
}

// FuzzUpdate runs one case a time: update, lowering, shape, schedule and
// operations come from the input. testdata/fuzz holds its seeds.
func FuzzUpdate(f *testing.F) {
	r := hunt.Local()
	lowerings := trusted(f)
	executions := 0
	f.Fuzz(func(t *testing.T, in []byte) {
		executions++
		c := corpus.Decode(in)
		if len(lowerings) > 2 && len(in) > 0 {
			c.Target.Lowering = lowerings[int(in[0])%len(lowerings)]
		}
		d, err := r.One(t.Context(), c)
		if err != nil {
			t.Fatalf("an input that is no case: %v", err)
		}
		if d != nil {
			t.Logf("execution %d of this process", executions)
			props.Fail(t, r, c, d)
		}
	})
}

// FuzzInPlace runs a random in-place program under every lowering, against
// value semantics. A known-bad lowering may diverge, but only where the
// detector finds the hazard.
func FuzzInPlace(f *testing.F) {
	if os.Getenv("SLIDEFUZZ_NO_SEEDS") == "" {
		for _, in := range programSeeds {
			f.Add(in)
		}
	}
	r := hunt.Local()
	lowerings := trusted(f)
	executions := 0
	f.Fuzz(func(t *testing.T, in []byte) {
		executions++
		// Of the grammar that stored inputs have, and of the wider one.
		for _, prefix := range [...]string{"", corpus.ProgramPrefix} {
			c := corpus.DecodeProgram(append([]byte(prefix), in...))
			for _, how := range lowerings {
				c.Target.Lowering = how
				d, err := r.One(t.Context(), c)
				if err != nil {
					t.Fatalf("an input that is no case: %v\n%s", err, c.Text())
				}
				if d != nil {
					t.Logf("execution %d of this process", executions)
					props.Fail(t, r, c, d)
				}
			}
			for _, how := range [...]inplace.Lowering{inplace.DropWAR, inplace.DropClone} {
				c.Target.Lowering = how
				if d, err := r.One(t.Context(), c); err != nil || d != nil && d.Race == nil {
					t.Fatalf("%s diverges where the detector finds no hazard: %v %v\n%s", how, d, err, c.Text())
				}
			}
		}
	})
}

// FuzzCase parses any text: an error names a line, a case prints as it was
// read, and what it prints as without comments is a fixed point.
func FuzzCase(f *testing.F) {
	for _, in := range caseSeeds {
		f.Add(corpus.Decode(in).Text())
		f.Add(corpus.DecodeProgram(in).Text())
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := corpus.Parse("f", text, 0)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "f:") {
				t.Fatalf("no place in %q", err)
			}
			return
		}
		if !bytes.Equal(c.Text(), text) {
			t.Fatalf("read %q, printed %q", text, c.Text())
		}
		plain := c.Clone()
		plain.Schedule = inplace.Schedule{Kind: inplace.Random, Seed: 7}
		once := plain.Text()
		again, err := corpus.Parse("f", once, 0)
		if err != nil {
			t.Fatalf("printed what it cannot read: %v\n%s", err, once)
		}
		if !bytes.Equal(again.Text(), once) {
			t.Fatalf("printed %q, then %q", once, again.Text())
		}
	})
}

// FuzzEmpty does nothing: what the toolchain itself takes, to measure the
// others against.
func FuzzEmpty(f *testing.F) {
	f.Fuzz(func(*testing.T, []byte) {})
}

// FuzzMessage reads what a worker may send: an error that says why, or a message
// that reads the same once it is written again.
func FuzzMessage(f *testing.F) {
	var whole bytes.Buffer
	m := worker.Message{Meta: map[string]string{"op": "update"}, Tensors: []worker.Tensor{{Name: "keys", DType: "U8", Shape: []int{1, 1, 2, 2}, Data: []byte{1, 2, 3, 4}}}}
	if err := m.Write(&whole); err != nil {
		f.Fatal(err)
	}
	f.Add(whole.Bytes())
	f.Add(whole.Bytes()[:whole.Len()-1])
	f.Add([]byte("Compiling, please wait\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		// The length of a message is bounded before it is allocated; this bounds
		// what one execution costs.
		if len(in) > 1<<16 {
			return
		}
		m, err := worker.Read(bytes.NewReader(in))
		if err != nil {
			if err != io.EOF && err.Error() == "" {
				t.Fatal("an error without words")
			}
			return
		}
		var out bytes.Buffer
		if err := m.Write(&out); err != nil {
			t.Fatal(err)
		}
		again, err := worker.Read(&out)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, again, cmpopts.EquateEmpty()); diff != "" {
			t.Fatal(diff)
		}
	})
}
