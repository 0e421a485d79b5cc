package corpus

import (
	"context"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// Crop keeps the first N tokens. A cache may refuse any crop.
const Crop OpKind = 2

type cropOp struct{ numbered }

func (cropOp) Decode(kind, n int, s impls.Shape) (Op, bool) {
	return Op{Kind: Crop, N: n % (2 * s.Window)}, kind < 248 && kind%16 == 13
}

func (cropOp) Capability() string { return "crop" }

// Fit keeps its share of the window, as that of an append.
func (cropOp) Fit(o *Op, window int, s impls.Shape) Op {
	return Op{Kind: Crop, N: scale(o.N, window, s.Window)}
}

func (cropOp) Answer(*Op, impls.Shape, State, oracle.Promise) Answer { return MayRefuse }

func (cropOp) Ask(ctx context.Context, o *Op, cache Cache) error { return cache.Crop(ctx, o.N) }

func (cropOp) Effect(o *Op, at State) {
	if o.N < at.Len() {
		at.Crop(o.N)
	}
}

// Simpler changes all crops to one length together.
func (cropOp) Simpler(ops []Op, i int, yield func([]Op) bool) {
	renumber(ops, i, yield, Crop)
}

// Forms has the crops to 0 … window.
func (cropOp) Forms(tokens, window int) (all []Op) {
	for n := 0; tokens == 0 && n <= window; n++ {
		all = append(all, Op{Kind: Crop, N: n})
	}
	return all
}
