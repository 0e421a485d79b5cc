package main

import (
	"os"
	"github.com/slidefuzz/slidefuzz/fuzz/libfuzzer/testing"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/caches"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/fuzz/libfuzzer/_build.37zvay/props"
	"github.com/slidefuzz/slidefuzz/props/hunt"
)

// bugVar names the planted bug that FuzzBug fuzzes, as slidefuzz targets lists it.
const bugVar = "SLIDEFUZZ_BUG"

// FuzzBug fuzzes a planted bug, as the author of the cache would his own: slidefuzz bugs
// --fuzz runs it, and wants it to fail.
func FuzzBug(f *testing.F) {
	name := os.Getenv(bugVar)
	if name == "" {
		f.Skip(bugVar + " names no planted bug")
	}
	target, err := window.ParseTarget(name)
	if err != nil {
		f.Fatal(err)
	}
	if target.Racy() || target.IsProgram() {
		fuzzOrders(f, target)
		return
	}
	info, ok := window.LookupCache(target.Update)
	if !ok {
		props.FuzzCache(f, func(_ *testing.T, s impls.Shape) (impls.Cache, error) { return window.New(target, s, bugBlock) })
		return
	}
	options := []props.Option{props.DimsMultipleOf(info.DimMultiple)}
	if !info.Narrow {
		options = append(options, props.Chunks())
	}
	if info.MaxChunk != nil {
		options = append(options, props.LargestChunk(info.MaxChunk))
	}
	for _, kind := range info.Without {
		options = append(options, props.Without(corpus.Feature(kind)))
	}
	props.FuzzCache(f, func(_ *testing.T, s impls.Shape) (impls.Cache, error) { return caches.New(info.Name, s) }, options...)
}

// fuzzOrders fuzzes a bug of a program, or one that only some orders or sizes of the
// blocks show: the bytes decide them, as those of FuzzUpdate do, which no input of a
// user's cache can.
func fuzzOrders(f *testing.F, target window.Target) {
	r := hunt.Local()
	executions := 0
	f.Fuzz(func(t *testing.T, in []byte) {
		executions++
		c := corpus.Decode(in)
		if c.Target = target; target.IsProgram() {
			c.Ops = nil
		}
		d, err := r.One(t.Context(), c)
		if err != nil {
			t.Fatalf("an input that is no case: %v", err)
		}
		if d != nil {
			t.Logf("at execution %d of this process", executions)
			props.Fail(t, r, c, d)
		}
	})
}

// bugBlock is the cells of a block of updates, whose bugs show in any order of them.
const bugBlock = 4
