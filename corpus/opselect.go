package corpus

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// Select makes entry i of the batch what entry Each[i] was, and the batch as long as
// the list: beam search changes the order, a fork repeats an entry, a request that
// is finished drops out. An entry that there is not must be refused.
const Select OpKind = 5

type selectOp struct{ plain }

func (selectOp) Parse(o *Op, args string) (err error) {
	if o.Each, err = list(args); err != nil {
		return fmt.Errorf("select: %w", err)
	}
	return nil
}

func (selectOp) Args(o *Op) string { return " " + listText(o.Each) }

func (x selectOp) Check(o *Op, s impls.Shape) error {
	if err := checkList(o); err != nil {
		return err
	}
	p := *o
	p.Each = nil
	return x.plain.Check(&p, s)
}

// Rows has the rows that entries may hold twice.
func (selectOp) Rows(_ *Op, window int) int64 { return 2 * int64(window) }

func (selectOp) Choices() []Choice {
	return []Choice{
		// The batch keeps its length: an order, or a beam that wins over another.
		{Name: "reorder", Weight: 2, Needs: CanSelect, Draw: func(r *rand.Rand, _ impls.Shape, at State) Op {
			each := make([]int, min(at.Batch(), MaxEntries))
			for i := range each {
				each[i] = r.IntN(at.Batch())
			}
			if r.IntN(2) == 0 && at.Batch() <= MaxEntries {
				each = r.Perm(at.Batch())
			}
			return Op{Kind: Select, Each: each}
		}},
		// A fork, or a request that drops out; now and then an entry that is not
		// there.
		{Name: "resize", Weight: 1, Needs: CanSelect, Draw: func(r *rand.Rand, s impls.Shape, at State) Op {
			each := make([]int, 1+r.IntN(min(MaxEntries, max(at.Batch(), s.Batch)+2)))
			among := at.Batch()
			if r.IntN(8) == 0 {
				among++
			}
			for i := range each {
				each[i] = r.IntN(among)
			}
			return Op{Kind: Select, Each: each}
		}},
	}
}

func (selectOp) Capability(*Op) Capability { return CanSelect }

// Fit keeps to the entries that there are.
func (selectOp) Fit(o *Op, drawn, s impls.Shape) Op {
	if drawn.Batch == s.Batch {
		return *o
	}
	each := slices.Clone(o.Each)
	for i := range each {
		each[i] %= s.Batch
	}
	return Op{Kind: Select, Each: each}
}

// Answer is of the entries that there are; another batch than the cache takes is
// refused as a chunk of it is.
func (selectOp) Answer(o *Op, _ impls.Shape, at State, promise oracle.Promise) Answer {
	if slices.Max(o.Each) >= at.Batch() || promise.RefusesBatch(len(o.Each)) {
		return MustRefuse
	}
	return MustAccept
}

func (selectOp) Ask(ctx context.Context, o *Op, cache Cache) error { return cache.Select(ctx, o.Each) }

func (selectOp) Effect(o *Op, at State) { at.Select(o.Each) }

func (selectOp) WrongAnswer(o *Op, _ impls.Shape, at State, err error) string {
	what := fmt.Sprintf("entries %s of a batch of %d", listText(o.Each), at.Batch())
	if err != nil {
		return fmt.Sprintf("%s: %v", what, err)
	}
	return what
}

// Simpler drops an entry, and lowers one.
func (selectOp) Simpler(ops []Op, i int, yield func([]Op) bool) {
	each := ops[i].Each
	for k := range each {
		var lists [][]int
		if len(each) > 1 {
			lists = append(lists, slices.Delete(slices.Clone(each), k, k+1))
		}
		for _, n := range Less(0, each[k]) {
			lower := slices.Clone(each)
			lower[k] = n
			lists = append(lists, lower)
		}
		for _, l := range lists {
			simpler := slices.Clone(ops)
			if simpler[i] = (Op{Kind: Select, Each: l}); !yield(simpler) {
				return
			}
		}
	}
}

// Forms has none: a shrink that tries all cases tries those of one entry.
func (selectOp) Forms(int, int) []Op { return nil }
