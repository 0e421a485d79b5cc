package corpus

import (
	"slices"

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
func Features() []Feature { return slices.Clone(features) }

var features = []Feature{WindowOne, Exact, LongChunks, Crossing, Empty, OtherBatch, OddChunks, Resets, Crops, Snapshots}

// HasAny reports whether one of features is among others.
func HasAny(features, others []Feature) bool {
	return slices.ContainsFunc(features, func(f Feature) bool { return slices.Contains(others, f) })
}

// FeaturesOf lists the features that a case has.
func FeaturesOf(c *Case) []Feature {
	var all []Feature
	if c.Shape.Window == 1 {
		all = append(all, WindowOne)
	}
	var at Lengths
	for _, o := range c.Ops {
		for _, f := range at.Features(o, c.Shape) {
			if !slices.Contains(all, f) {
				all = append(all, f)
			}
		}
		at.After(o, c.Shape)
	}
	return all
}

// ChunkKind is the kind of a chunk of q tokens after n in a window of so many
// rows: Empty, LongChunks, Crossing, Exact, or "" for any other.
func ChunkKind(n, q, window int) Feature {
	switch {
	case q == 0:
		return Empty
	case q > window:
		return LongChunks
	case q > 1 && n+q > window:
		return Crossing
	case q == window && n == 0:
		return Exact
	}
	return ""
}

// Lengths follows how many tokens a cache holds that refuses nothing but chunks
// of another shape. Its zero value is an empty cache.
type Lengths struct {
	n     int
	saved map[int]int
}

// Features lists those of the next operation.
func (t *Lengths) Features(o Op, s impls.Shape) []Feature {
	switch o.Kind {
	case Reset:
		return []Feature{Resets}
	case Crop:
		return []Feature{Crops}
	case Snapshot, Restore:
		return []Feature{Snapshots}
	}
	var all []Feature
	if o.N == 0 {
		all = append(all, Empty)
	}
	switch kind := ChunkKind(t.n, o.N, s.Window); {
	case o.Odd(s) || o.DType != "":
		all = append(all, OddChunks)
		if o.Shape(s).Batch != s.Batch {
			all = append(all, OtherBatch)
		}
	case kind != "" && kind != Empty:
		all = append(all, kind)
	}
	return all
}

// After takes note of an operation.
func (t *Lengths) After(o Op, s impls.Shape) {
	switch o.Kind {
	case Append:
		if !o.Odd(s) {
			t.n += o.N
		}
	case Reset:
		t.n = 0
	case Crop:
		t.n = min(t.n, o.N)
	case Snapshot:
		if t.saved == nil {
			t.saved = map[int]int{}
		}
		t.saved[o.N] = t.n
	case Restore:
		if n, ok := t.saved[o.N]; ok {
			t.n = n
		}
	}
}
