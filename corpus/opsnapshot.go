package corpus

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// Snapshot keeps the state of a cache under number N, instead of an earlier one
// that has it. A cache may refuse that. Restore brings the whole state back,
// whatever was done in between.
const (
	Snapshot OpKind = 3
	Restore  OpKind = 4
)

type (
	snapshotOp struct{ numbered }
	restoreOp  struct{ numbered }
)

func (snapshotOp) Rows(_ *Op, window int) int64 { return 4 * int64(window) }

func (snapshotOp) Decode(kind, n int, _ impls.Shape) (Op, bool) {
	return Op{Kind: Snapshot, N: n % 2}, kind < 248 && kind%16 == 14
}

func (restoreOp) Decode(kind, n int, _ impls.Shape) (Op, bool) {
	return Op{Kind: Restore, N: n % 2}, kind < 248 && kind%16 == 15
}

func (restoreOp) Features() []Feature { return []Feature{Snapshots} }

func (restoreOp) FeaturesOf(*Op, impls.Shape, State) []Feature { return []Feature{Snapshots} }

func (snapshotOp) Capability(*Op) Capability { return CanSnapshot }
func (restoreOp) Capability(*Op) Capability  { return CanSnapshot }

func (snapshotOp) Choices() []Choice { return numbers("snapshot", Snapshot, "") }
func (restoreOp) Choices() []Choice  { return numbers("restore", Restore, "snapshot") }

// numbers has two snapshots, so that one can be taken for the other.
func numbers(name string, k OpKind, after string) []Choice {
	return []Choice{{Name: name, Weight: 1, Needs: CanSnapshot, After: after, Draw: func(r *rand.Rand, _ impls.Shape, _ State) Op {
		return Op{Kind: k, N: r.IntN(2)}
	}}}
}

func (snapshotOp) Answer(*Op, impls.Shape, State, oracle.Promise) Answer { return MayRefuse }

// Answer depends on whether the snapshot was taken, and not refused.
func (restoreOp) Answer(o *Op, _ impls.Shape, at State, _ oracle.Promise) Answer {
	if at.Taken(o.N) {
		return MustAccept
	}
	return MustRefuse
}

func (snapshotOp) Ask(ctx context.Context, o *Op, cache Cache) error { return cache.Snapshot(ctx, o.N) }

func (restoreOp) Ask(ctx context.Context, o *Op, cache Cache) error { return cache.Restore(ctx, o.N) }

func (snapshotOp) Effect(o *Op, at State) { at.Snapshot(o.N) }
func (restoreOp) Effect(o *Op, at State)  { at.Restore(o.N) }

func (restoreOp) WrongAnswer(o *Op, _ impls.Shape, _ State, err error) string {
	if err == nil {
		return fmt.Sprintf("snapshot %d was never taken, and is restored", o.N)
	}
	return fmt.Sprintf("snapshot %d was taken, and is refused: %v", o.N, err)
}

// Rows that are wrong after a refusal are reported as they are.
func (snapshotOp) Blamed() bool { return false }
func (restoreOp) Blamed() bool  { return false }

// Simpler changes a snapshot and its restores together.
func (snapshotOp) Simpler(ops []Op, i int, yield func([]Op) bool) {
	renumber(ops, i, yield, Snapshot, Restore)
}

func (restoreOp) Simpler(ops []Op, i int, yield func([]Op) bool) {
	renumber(ops, i, yield, Snapshot, Restore)
}
