package corpus

import (
	"maps"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// Feature is something that a case of a cache may have: a hunt counts the cases
// that have it, and a hunt in a worker can leave it out, to go on past a known
// fault.
type Feature string

// The features.
const (
	WindowOne        Feature = "window-1" // a window of one row
	Exact            Feature = "exact"    // a first chunk of exactly the window's rows
	LongChunks       Feature = "long"     // chunks longer than the window
	Crossing         Feature = "crossing" // chunks of several tokens, no longer than the window, that cross its border
	Empty            Feature = "empty"    // chunks of no tokens
	OtherBatch       Feature = "batch"    // chunks of another batch size than the cache's
	MismatchedChunks Feature = "odd"      // chunks of another shape or element type than the cache's, OtherBatch among them
	Resets           Feature = "reset"
	Crops            Feature = "crop"
	Snapshots        Feature = "snapshot" // and restores
)

// Features lists them all.
func Features() []Feature {
	all := []Feature{WindowOne}
	for _, x := range operations {
		for _, f := range x.Features() {
			if !slices.Contains(all, f) {
				all = append(all, f)
			}
		}
	}
	return all
}

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
	for i := range c.Ops {
		o := &c.Ops[i]
		for _, f := range at.Features(o, c.Shape) {
			if !slices.Contains(all, f) {
				all = append(all, f)
			}
		}
		at.After(o, c.Shape)
	}
	return all
}

// Lengths follows how many tokens a cache holds that refuses nothing but what
// every cache must. Its zero value is an empty cache. A copy goes on for itself.
type Lengths struct{ at lengths }

// Len is the number of tokens.
func (t *Lengths) Len() int { return t.at.n }

// Features lists those of the next operation.
func (t *Lengths) Features(o *Op, s impls.Shape) []Feature {
	return o.Kind.Operation().FeaturesOf(o, s, t.at.n)
}

// After takes note of an operation.
func (t *Lengths) After(o *Op, s impls.Shape) {
	x := o.Kind.Operation()
	if x.Answer(o, s, &t.at, oracle.Chunks) != MustRefuse {
		x.Effect(o, &t.at)
	}
}

// lengths is a State of numbers alone.
type lengths struct {
	n     int
	taken map[int]int // by number of the snapshot
}

func (t *lengths) Len() int       { return t.n }
func (t *lengths) Append(q int)   { t.n += q }
func (t *lengths) Reset()         { t.n = 0 }
func (t *lengths) Crop(n int)     { t.n = n }
func (t *lengths) Restore(id int) { t.n = t.taken[id] }

func (t *lengths) Snapshot(id int) {
	// A copy of its own, which those of Lengths may share.
	t.taken = maps.Clone(t.taken)
	if t.taken == nil {
		t.taken = map[int]int{}
	}
	t.taken[id] = t.n
}

func (t *lengths) Taken(id int) bool {
	_, ok := t.taken[id]
	return ok
}
