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
	Selects          Feature = "select"
	Ragged           Feature = "ragged" // appends and crops of another number of tokens for each entry
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
	if c.Engine != nil {
		return c.engineFeatures()
	}
	var all []Feature
	if c.Shape.Window == 1 {
		all = append(all, WindowOne)
	}
	at := NewLengths(c.Shape)
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

// Lengths follows how many tokens each entry of a cache holds that refuses nothing
// but what every cache must. A copy goes on for itself.
type Lengths struct{ at lengths }

// NewLengths is of an empty cache.
func NewLengths(s impls.Shape) Lengths {
	return Lengths{lengths{batch: s.Batch, n: make([]int, s.Batch)}}
}

// Len is the most tokens that an entry holds.
func (t *Lengths) Len() int { return slices.Max(t.at.n) }

// State is what the cache holds.
func (t *Lengths) State() State { return &t.at }

// Features lists those of the next operation.
func (t *Lengths) Features(o *Op, s impls.Shape) []Feature {
	return o.Kind.Operation().FeaturesOf(o, s, &t.at)
}

// After takes note of an operation.
func (t *Lengths) After(o *Op, s impls.Shape) {
	x := o.Kind.Operation()
	if x.Answer(o, s, &t.at, oracle.Chunks) != MustRefuse {
		x.Effect(o, &t.at)
	}
}

// lengths is a State of numbers alone. Its lists are not changed but replaced, so
// that copies may share them.
type lengths struct {
	batch int           // of an empty cache
	n     []int         // by entry
	taken map[int][]int // by number of the snapshot
}

func (t *lengths) Batch() int        { return len(t.n) }
func (t *lengths) Len(entry int) int { return t.n[entry] }
func (t *lengths) Reset()            { t.n = make([]int, t.batch) }
func (t *lengths) Restore(id int)    { t.n = t.taken[id] }

func (t *lengths) Append(o *Op) {
	t.n = slices.Clone(t.n)
	for b := range t.n {
		t.n[b] += o.Of(b)
	}
}

func (t *lengths) Crop(entry, n int) {
	t.n = slices.Clone(t.n)
	t.n[entry] = n
}

func (t *lengths) Select(entries []int) {
	n := make([]int, len(entries))
	for i, b := range entries {
		n[i] = t.n[b]
	}
	t.n = n
}

func (t *lengths) Snapshot(id int) {
	t.taken = maps.Clone(t.taken)
	if t.taken == nil {
		t.taken = map[int][]int{}
	}
	t.taken[id] = t.n
}

func (t *lengths) Taken(id int) bool {
	_, ok := t.taken[id]
	return ok
}
