package hunt

import "time"

// Variant is what came of the programs that a worker ran in one of its variants.
type Variant struct {
	Cases, Wrong int
	// Among is how many were wrong in a request with others, or refused, and right alone.
	// They are no findings, and not counted as wrong.
	Among int
	// Skipped is how many of them the worker need not run, by its documentation.
	Skipped int
	// Running is how long they ran, those that were run again to be sure counted in,
	// and those of the shrinker left out: of several workers at once the sum.
	Running time.Duration
}

// turn gives a batch the variant whose turn it is, first being how many cases were
// drawn before it: what is compiled as one has one variant, in every shard.
func (h *hunter) turn(x *batch, first int) {
	n := len(h.traits.Variants)
	if n == 0 {
		return
	}
	for _, c := range x.cases {
		c.Target.Variant = h.traits.Variants[first/h.unit%n]
	}
}

// inTime is how many of n cases of a batch are likely to be done before the hunt ends,
// at least one. What is cut short was run for nothing.
func (h *hunter) inTime(n int) int {
	if h.o.Time <= 0 || !h.traits.Foreign || h.perCase <= 0 {
		return n
	}
	left := h.o.Time - time.Since(h.start)
	return max(1, min(n, int(left/h.perCase)))
}

// timed notes how long the cases of a batch took, and of which variant they are.
func (h *hunter) timed(x *batch) {
	if len(x.found) == 0 {
		return
	}
	h.perCase = x.took / time.Duration(len(x.found))
	if all := h.result.Variants; all != nil {
		v := all[x.cases[0].Target.Variant]
		v.Cases += len(x.found)
		v.Running += x.took
		all[x.cases[0].Target.Variant] = v
	}
}

// skipped puts how many programs of each variant need not be run in its place, where the
// backend counts them as what was refused, and how many were wrong only among others.
func (r *Result) skipped() {
	if r.Variants == nil {
		return
	}
	for name, v := range r.Variants {
		v.Skipped, v.Among = r.Counts[name].Refused, r.Counts[name].Among
		r.Variants[name] = v
	}
	r.Counts = nil
}

// addVariants adds what came of the variants in another part of the hunt.
func (r *Result) addVariants(more map[string]Variant) {
	if more != nil && r.Variants == nil {
		r.Variants = map[string]Variant{}
	}
	for name, m := range more {
		v := r.Variants[name]
		v.Cases += m.Cases
		v.Wrong += m.Wrong
		v.Among += m.Among
		v.Skipped += m.Skipped
		v.Running += m.Running
		r.Variants[name] = v
	}
}
