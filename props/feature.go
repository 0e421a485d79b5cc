package props

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
)

// Feature is something that a case of a cache may have: a hunt counts the cases
// that have it, and a hunt in a worker can leave it out, to go on past a known
// fault.
type Feature string

// The features.
const (
	WindowOne  Feature = "window-1" // a window of one row
	Exact      Feature = "exact"    // a first chunk of exactly the window's rows
	LongChunks Feature = "long"     // chunks longer than the window
	Crossing   Feature = "crossing" // chunks of several tokens, no longer than the window, that cross its border
	Empty      Feature = "empty"    // chunks of no tokens
	OtherBatch Feature = "batch"    // chunks of another batch size than the cache's
	OddChunks  Feature = "odd"      // chunks of another shape or element type than the cache's, OtherBatch among them
	Resets     Feature = "reset"
	Crops      Feature = "crop"
	Snapshots  Feature = "snapshot" // and restores
)

// Features lists them all.
var Features = []Feature{WindowOne, Exact, LongChunks, Crossing, Empty, OtherBatch, OddChunks, Resets, Crops, Snapshots}

// anyOf reports whether one of features is in without.
func anyOf(features, without []Feature) bool {
	return slices.ContainsFunc(features, func(f Feature) bool { return slices.Contains(without, f) })
}

// FeaturesOf lists the features that a case has.
func FeaturesOf(c *corpus.Case) []Feature {
	var all []Feature
	if c.Shape.Window == 1 {
		all = append(all, WindowOne)
	}
	var at tokens
	for _, o := range c.Ops {
		for _, f := range at.features(o, c.Shape) {
			if !slices.Contains(all, f) {
				all = append(all, f)
			}
		}
		at.after(o, c.Shape)
	}
	return all
}

// tokens follows how many tokens a cache holds that refuses nothing but chunks
// of another shape.
type tokens struct {
	n     int
	saved map[int]int
}

// features lists those of the next operation.
func (t *tokens) features(o corpus.Op, s impls.Shape) []Feature {
	switch o.Kind {
	case corpus.Reset:
		return []Feature{Resets}
	case corpus.Crop:
		return []Feature{Crops}
	case corpus.Snapshot, corpus.Restore:
		return []Feature{Snapshots}
	}
	var all []Feature
	if o.N == 0 {
		all = append(all, Empty)
	}
	w := s.Window
	switch {
	case o.Odd(s) || o.DType != "":
		all = append(all, OddChunks)
		if o.Shape(s).Batch != s.Batch {
			all = append(all, OtherBatch)
		}
	case o.N > w:
		all = append(all, LongChunks)
	case o.N > 1 && t.n+o.N > w:
		all = append(all, Crossing)
	case o.N == w && t.n == 0:
		all = append(all, Exact)
	}
	return all
}

// after takes note of an operation.
func (t *tokens) after(o corpus.Op, s impls.Shape) {
	switch o.Kind {
	case corpus.Append:
		if !o.Odd(s) {
			t.n += o.N
		}
	case corpus.Reset:
		t.n = 0
	case corpus.Crop:
		t.n = min(t.n, o.N)
	case corpus.Snapshot:
		if t.saved == nil {
			t.saved = map[int]int{}
		}
		t.saved[o.N] = t.n
	case corpus.Restore:
		if n, ok := t.saved[o.N]; ok {
			t.n = n
		}
	}
}
