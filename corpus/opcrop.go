package corpus

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// Crop keeps the first N tokens, or those that Each says for each entry; an entry
// with fewer is as it was. A cache may refuse any crop, and must refuse a list for
// another batch.
const Crop OpKind = 2

type cropOp struct{ plain }

func (cropOp) Parse(o *Op, args string) error {
	each, err := list(args)
	if err != nil {
		return fmt.Errorf("crop: %w", err)
	}
	if *o = (Op{Kind: Crop, Each: each}); len(each) == 1 {
		*o = Op{Kind: Crop, N: each[0]}
	}
	return nil
}

func (cropOp) Args(o *Op) string {
	if o.Each != nil {
		return " " + listText(o.Each)
	}
	return fmt.Sprintf(" %d", o.N)
}

func (c cropOp) Check(o *Op, s impls.Shape) error {
	if o.Each == nil {
		return c.plain.Check(o, s)
	}
	if err := checkList(o); err != nil {
		return err
	}
	if len(o.Each) == 1 || o.N != 0 {
		return fmt.Errorf("crop: numbers by entry are at least two")
	}
	p := *o
	p.Each = nil
	return c.plain.Check(&p, s)
}

func (cropOp) Decode(kind, n int, s impls.Shape) (Op, bool) {
	return Op{Kind: Crop, N: n % (2 * s.Window)}, kind < 248 && kind%16 == 13
}

func (cropOp) Choices() []Choice {
	return []Choice{
		{Name: "crop", Weight: 1, Needs: CanCrop, Draw: func(r *rand.Rand, s impls.Shape, at State) Op {
			return Op{Kind: Crop, N: cropTo(r, s, at, 0)}
		}},
		{Name: "crop-each", Weight: 2, Needs: CanCropEach, Draw: func(r *rand.Rand, s impls.Shape, at State) Op {
			each := make([]int, min(at.Batch(), MaxEntries))
			for b := range each {
				each[b] = cropTo(r, s, at, b)
			}
			return cropEach(each)
		}},
	}
}

// cropEach is a crop to these numbers; of one entry it is a plain one.
func cropEach(each []int) Op {
	if len(each) == 1 {
		return Op{Kind: Crop, N: each[0]}
	}
	return Op{Kind: Crop, Each: each}
}

// cropTo draws a length for an entry: most often some tokens less than it has, as
// drafts that were not accepted are, else any up to two windows.
func cropTo(r *rand.Rand, s impls.Shape, at State, entry int) int {
	if n := at.Len(entry); r.IntN(4) > 0 && n > 0 {
		return max(0, n-r.IntN(min(n, s.Window)+1))
	}
	return r.IntN(2 * s.Window)
}

func (cropOp) Features() []Feature { return []Feature{Crops, Ragged} }

func (cropOp) FeaturesOf(o *Op, _ impls.Shape, _ State) []Feature {
	if o.Each != nil {
		return []Feature{Crops, Ragged}
	}
	return []Feature{Crops}
}

func (cropOp) Capability(o *Op) Capability {
	if o.Each != nil {
		return CanCropEach
	}
	return CanCrop
}

// Fit keeps its share of the window, as that of an append.
func (cropOp) Fit(o *Op, drawn, s impls.Shape) Op {
	if o.Each == nil {
		return Op{Kind: Crop, N: scale(o.N, drawn.Window, s.Window)}
	}
	each := slices.Clone(o.Each)
	if drawn.Batch != s.Batch {
		each = cycled(o.Each, s.Batch)
	}
	for b, n := range each {
		each[b] = scale(n, drawn.Window, s.Window)
	}
	return cropEach(each)
}

func (cropOp) Answer(o *Op, _ impls.Shape, at State, _ oracle.Promise) Answer {
	if o.Each != nil && len(o.Each) != at.Batch() {
		return MustRefuse
	}
	return MayRefuse
}

func (cropOp) Ask(ctx context.Context, o *Op, cache Cache) error {
	if o.Each != nil {
		return cache.CropEach(ctx, o.Each)
	}
	return cache.Crop(ctx, o.N)
}

func (cropOp) Effect(o *Op, at State) {
	for b := range at.Batch() {
		n := o.N
		if o.Each != nil {
			n = o.Each[b]
		}
		if n < at.Len(b) {
			at.Crop(b, n)
		}
	}
}

func (cropOp) WrongAnswer(o *Op, _ impls.Shape, at State, _ error) string {
	return fmt.Sprintf("a crop of %d entries in a batch of %d", len(o.Each), at.Batch())
}

// Simpler changes all crops to one length together, and one by entry to a plain
// one, or to smaller numbers.
func (cropOp) Simpler(ops []Op, i int, yield func([]Op) bool) {
	o := &ops[i]
	if o.Each == nil {
		renumber(ops, i, yield, Crop)
		return
	}
	all := make([]Op, 0, len(o.Each))
	for _, n := range o.Each {
		all = append(all, Op{Kind: Crop, N: n})
	}
	for b := range o.Each {
		for _, n := range Less(0, o.Each[b]) {
			each := slices.Clone(o.Each)
			each[b] = n
			all = append(all, cropEach(each))
		}
	}
	for _, p := range all {
		simpler := slices.Clone(ops)
		if simpler[i] = p; !yield(simpler) {
			return
		}
	}
}

// Forms has the crops to 0 … window.
func (cropOp) Forms(tokens, window int) (all []Op) {
	for n := 0; tokens == 0 && n <= window; n++ {
		all = append(all, Op{Kind: Crop, N: n})
	}
	return all
}
