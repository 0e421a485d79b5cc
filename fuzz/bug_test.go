package fuzz

import (
	"os"
	"testing"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/caches"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props"
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

// bugBlock is the cells of a block of updates, whose bugs show in any order of them.
const bugBlock = 4
