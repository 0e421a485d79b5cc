package run

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
)

// Bounds are what a Fitter leaves of the operations of a drawn case.
type Bounds struct {
	// Can says what the cache can do.
	Can func(corpus.Capability) bool
	// Longest is the most tokens of a chunk that the cache takes.
	Longest int
	// Without is what no operation may have.
	Without []corpus.Feature
	// DTypes are those of chunks of another element type than the cache's, nil for
	// all.
	DTypes []impls.DType
}

// Fit makes the operations of a case, drawn for another shape than it now has, those
// of its shape and within bounds, and leaves out what cannot be made so.
func (b Bounds) Fit(c *corpus.Case, drawn impls.Shape) {
	keep := c.Ops[:0]
	at := corpus.NewLengths(c.Shape)
	for i := range c.Ops {
		x := c.Ops[i].Kind.Operation()
		if need := x.Capability(&c.Ops[i]); need != "" && !b.Can(need) {
			continue
		}
		o := x.Fit(&c.Ops[i], drawn, c.Shape)
		// Every other chunk that is too long is shortened: else a cache of small
		// chunks would refuse most of what it is handed.
		if o.Kind == corpus.Append && o.N > b.Longest && o.Each == nil && i%2 == 0 {
			o.N, o.Pad = b.Longest, nil
		}
		if o.DType != "" && b.DTypes != nil && !slices.ContainsFunc(b.DTypes, func(d impls.DType) bool { return d.String() == o.DType }) ||
			corpus.HasAny(at.Features(&o, c.Shape), b.Without) {
			continue
		}
		at.After(&o, c.Shape)
		keep = append(keep, o)
	}
	c.Ops = keep
	// What was made larger may be larger than a case may be.
	for len(c.Ops) > 1 && c.Check(corpus.DefaultLimit) != nil {
		c.Ops = c.Ops[:len(c.Ops)-1]
	}
}
