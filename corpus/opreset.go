package corpus

import (
	"context"
	"math/rand/v2"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Reset makes a cache what it was when it was new.
const Reset OpKind = 1

type resetOp struct{ plain }

func (resetOp) Decode(kind, _ int, _ impls.Shape) (Op, bool) {
	return Op{Kind: Reset}, kind < 248 && kind%16 == 12
}

func (resetOp) Choices() []Choice {
	return []Choice{{Name: "reset", Weight: 1, Draw: func(*rand.Rand, impls.Shape, State) Op { return Op{Kind: Reset} }}}
}

func (resetOp) Ask(ctx context.Context, _ *Op, cache Cache) error {
	cache.Reset(ctx)
	return nil
}

func (resetOp) Effect(_ *Op, at State) { at.Reset() }
