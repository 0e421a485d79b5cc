package evolve

import (
	"math/bits"
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
)

// Trait is something that a case exercises, far finer than a corpus.Feature: a kind of
// operation on a window that is so full, two or three such in a row, a number of rows.
// It follows from the case alone, so that a draw tells it before anything is run. Traits
// mean nothing beyond one process.
type Trait uint64

// The families of traits. Two of different families are never the same.
const (
	ofShape   = iota + 1 // a field and its value
	ofShapes             // two fields together
	ofOp                 // a kind of operation, and what the cache holds
	ofTwo                // two operations, one right after the other
	ofThree              // three
	ofEarlier            // an operation some time after another
	ofOpShape            // a kind of operation, and a field of the shape
	ofTurns              // how often the window went round
	ofStmt               // a statement: its form and its outermost operation
	ofStmts              // two statements, one right after the other
	ofExpr               // an operation on what another gives
	ofReread             // a statement reads what it writes, so many rows on
	ofDepends            // a statement reads or writes what an earlier one did
	ofBuffers            // a number of buffers, of statements, of rows
)

// set gathers the traits of a case.
type set struct{ all []Trait }

func (s *set) add(family int, words ...int) {
	// Multiplying by a large odd number and folding spreads nearby words over 64 bits.
	h := uint64(family)
	for _, w := range words {
		h = (h ^ uint64(w+1)) * 0x9e3779b97f4a7c15
		h ^= h >> 29
	}
	s.all = append(s.all, Trait(h))
}

// TraitsOf lists the traits of a case of a cache or of a program, each once.
func TraitsOf(c *corpus.Case) []Trait {
	s := &set{}
	s.shape(c)
	if len(c.Program.Stmts) > 0 {
		s.program(&c.Program)
	}
	s.operations(c)
	slices.Sort(s.all)
	return slices.Clip(slices.Compact(s.all))
}

// most is the largest number that counts for itself; of larger ones the magnitude does,
// and whether they are a multiple of eight, as copies by words and vectors ask.
const most = 32

func bucket(n int) int {
	if n <= most {
		return n
	}
	b := most + 2*bits.Len(uint(n))
	if n%8 == 0 {
		b++
	}
	return b
}

// class is a coarser bucket: none, one, two, three and more, eight and more, odd ones of
// those apart.
func class(n int) int {
	switch {
	case n < 3:
		return n
	case n < 8:
		return 3
	}
	return 4 + n%2
}

func (s *set) shape(c *corpus.Case) {
	x := c.Shape
	fields := [...]int{x.Batch, x.Heads, x.Window, x.Dim, int(x.DType), int(x.Layout), c.Block, int(c.Schedule.Kind), c.Blocks(), x.RowBytes()}
	for i, n := range fields {
		s.add(ofShape, i, bucket(n))
		for j, m := range fields[:i] {
			s.add(ofShapes, i, j, class(n), class(m))
		}
	}
}

// The kinds of operations that traits tell apart: at most 64, for a set of them is a
// word.
const (
	kindEmpty = iota
	kindDecode
	kindFits
	kindFills // up to the last row
	kindExact
	kindCrosses
	kindLong
	kindOddBatch
	kindOddHeads
	kindOddDim
	kindOddType
	kindRagged
	kindRaggedNone // some entry gets no token
	kindRaggedLong // some entry gets a chunk
	kindResetEmpty
	kindReset
	kindCropNothing // no entry has more
	kindCropAll
	kindCropLast // the newest token
	kindCropFull // of a window that went round
	kindCrop
	kindCropEach
	kindCropEachFull
	kindSnapshot
	kindSnapshotAgain
	kindRestoreNone // which must be refused
	kindRestore
	kindRestoreOther // of another length
	kindRestoreBatch // of another batch
	kindSelectSame
	kindSelectOrder
	kindSelectRepeat
	kindSelectLonger
	kindSelectShorter
	kindSelectNone // an entry that there is not
)

// walk follows a case as its traits do.
type walk struct {
	shape impls.Shape
	at    corpus.Lengths
	taken map[int][2]int // by snapshot: tokens of the first entry, and the batch
}

// kind is that of the next operation.
func (w *walk) kind(o *corpus.Op) int {
	at := w.at.State()
	n, window := at.Len(0), w.shape.Window
	longest := w.at.Len()
	switch o.Kind {
	case corpus.Append:
		return w.append(o, longest)
	case corpus.Reset:
		if longest == 0 {
			return kindResetEmpty
		}
		return kindReset
	case corpus.Crop:
		to := o.N
		if o.Each != nil {
			to = slices.Min(o.Each)
		}
		switch {
		case to >= longest:
			return kindCropNothing
		case o.Each != nil && longest > window:
			return kindCropEachFull
		case o.Each != nil:
			return kindCropEach
		case to == 0:
			return kindCropAll
		case to == longest-1:
			return kindCropLast
		case longest > window:
			return kindCropFull
		}
		return kindCrop
	case corpus.Snapshot:
		if at.Taken(o.N) {
			return kindSnapshotAgain
		}
		return kindSnapshot
	case corpus.Restore:
		switch was, ok := w.taken[o.N]; {
		case !ok:
			return kindRestoreNone
		case was[1] != at.Batch():
			return kindRestoreBatch
		case was[0] != n:
			return kindRestoreOther
		}
		return kindRestore
	}
	return w.sel(o)
}

func (w *walk) append(o *corpus.Op, longest int) int {
	now := corpus.Now(w.shape, w.at.State())
	if o.Mismatched(now) {
		switch to := o.Shape(now); {
		case to.Batch != now.Batch:
			return kindOddBatch
		case to.Heads != now.Heads:
			return kindOddHeads
		case to.Dim != now.Dim:
			return kindOddDim
		}
		return kindOddType
	}
	switch corpus.ChunkKind(longest, o.N, w.shape.Window) {
	case corpus.Empty:
		return kindEmpty
	case corpus.LongChunks:
		if o.Each != nil {
			return kindRaggedLong
		}
		return kindLong
	case corpus.Exact:
		return kindExact
	case corpus.Crossing:
		if o.Each != nil {
			return kindRaggedLong
		}
		return kindCrosses
	}
	switch {
	case o.Each != nil && slices.Min(o.Each) == 0:
		return kindRaggedNone
	case o.Each != nil:
		return kindRagged
	case o.N == 1:
		return kindDecode
	case longest+o.N == w.shape.Window:
		return kindFills
	}
	return kindFits
}

func (w *walk) sel(o *corpus.Op) int {
	batch := w.at.State().Batch()
	sorted := slices.Sorted(slices.Values(o.Each))
	switch {
	case sorted[len(sorted)-1] >= batch:
		return kindSelectNone
	case len(sorted) > batch:
		return kindSelectLonger
	case len(sorted) < batch:
		return kindSelectShorter
	case len(slices.Compact(sorted)) < batch:
		return kindSelectRepeat
	case slices.IsSorted(o.Each):
		return kindSelectSame
	}
	return kindSelectOrder
}

// state is what the cache holds, coarsely: how full the longest entry is, and whether
// entries differ.
func (w *walk) state() int {
	at := w.at.State()
	least := at.Len(0)
	for b := range at.Batch() {
		least = min(least, at.Len(b))
	}
	n, full := w.at.Len(), 0
	switch window := w.shape.Window; {
	case n == 0:
	case n < window:
		full = 1
	case n == window:
		full = 2
	case n < 2*window:
		full = 3
	default:
		full = 4
	}
	full *= 4
	if least != n {
		full++
	}
	if at.Batch() != w.shape.Batch {
		full += 2
	}
	return full
}

func (s *set) operations(c *corpus.Case) {
	w := &walk{shape: c.Shape, at: corpus.NewLengths(c.Shape), taken: map[int][2]int{}}
	shape := [...]int{class(c.Shape.Batch), class(c.Shape.Window), class(c.Shape.Dim), int(c.Shape.DType)}
	before, last := uint64(0), [2]int{-1, -1}
	for i := range c.Ops {
		o := &c.Ops[i]
		kind, state := w.kind(o), w.state()
		s.add(ofOp, kind, state)
		s.add(ofTwo, last[0], kind, state)
		s.add(ofThree, last[1], last[0], kind)
		for rest := before; rest != 0; rest &= rest - 1 {
			s.add(ofEarlier, bits.TrailingZeros64(rest), kind)
		}
		for f, n := range shape {
			s.add(ofOpShape, kind, f, n)
		}
		before |= 1 << kind
		last = [2]int{kind, last[0]}
		if o.Kind == corpus.Snapshot {
			w.taken[o.N] = [2]int{w.at.State().Len(0), w.at.State().Batch()}
		}
		w.at.After(o, c.Shape)
		s.add(ofTurns, min(4, w.at.Len()/c.Shape.Window))
	}
}
