package inplace

import (
	"fmt"
	"slices"
	"strings"
)

// Lowering is how a program becomes kernels.
type Lowering uint8

// The lowerings. All but the first two have a fault planted on purpose, and are Fused
// but for that.
const (
	// Eager copies every right-hand side to a fresh buffer, then copies it
	// to its place.
	Eager Lowering = iota
	// Fused makes chains of fusible operations one kernel, unless it would
	// read a cell that it overwrites; then the source is materialised first.
	Fused
	// DropWAR is without that check: the fault of pytorch#159855.
	DropWAR
	// DropClone is without that check where a clone alone separates
	// the read from the write: the fault of pytorch#197829.
	DropClone
	// DropFar is without that check where rows move by more than one: the fault of
	// pytorch#164701.
	DropFar
	// ChunkForward copies a run of rows to later rows of its own storage chunk by
	// chunk, without that check: the fault of tt-metal#50726. A block is a chunk.
	ChunkForward
	// FuseIndex does an assignment by an index and the next kernel as one, where that
	// reads what is assigned at other positions: the fault of pytorch#198270.
	FuseIndex
	// ReadEarly reads what a statement needs ahead of the assignment to a slice before
	// it: the fault of pytorch#108963.
	ReadEarly
	// OneBlock loses an assignment to rows of a value that is still to be computed
	// where blocks have one size: the fault of pytorch#117778.
	OneBlock
	// LateReturn reads what is returned only when all statements have run: the fault of
	// tinygrad#17074 and of pytorch#198131.
	LateReturn
	// DropReshaped is without that check where what is written is returned reshaped
	// later: the fault of openxla/xla#49176.
	DropReshaped
)

// lowerings describes them. A fault is racy where the order of the blocks decides
// whether it shows; any other does the same in every order.
var lowerings = [...]struct {
	name, issue, about string
	racy               bool
}{
	Eager:        {name: "eager"},
	Fused:        {name: "fused"},
	DropWAR:      {"drop-war", "pytorch#159855", "the check is dropped and it races", true},
	DropClone:    {"drop-clone", "pytorch#197829", "the clone is dropped and it races", true},
	DropFar:      {"drop-far", "pytorch#164701", "the check sees rows that move by one alone, and it races", true},
	ChunkForward: {"chunk-forward", "tenstorrent/tt-metal#50726", "rows go to later ones chunk by chunk, and it races", true},
	FuseIndex:    {"fuse-index", "pytorch#198270", "an assignment by an index is fused with a read at other positions, and it races", true},
	ReadEarly:    {"read-early", "pytorch#108963", "the next statement reads before the write", false},
	OneBlock:     {"one-block", "pytorch#117778", fmt.Sprintf("in blocks of %d cells an assigned row is lost", wrongBlock), false},
	LateReturn:   {"late-return", "tinygrad/tinygrad#17074", "what is returned is read after the last statement", false},
	DropReshaped: {"drop-reshaped", "openxla/xla#49176", "the check is dropped where a returned reshape follows, and it races", true},
}

// Lowerings lists every lowering, the sound ones first.
func Lowerings() []Lowering {
	all := make([]Lowering, len(lowerings))
	for i := range all {
		all[i] = Lowering(i)
	}
	return all
}

func (l Lowering) String() string { return lowerings[l].name }

// Sound reports whether the lowering keeps the meaning of every program.
func (l Lowering) Sound() bool { return l <= Fused }

// Racy reports whether the order of the blocks decides if the fault of a known-bad
// lowering shows.
func (l Lowering) Racy() bool { return lowerings[l].racy }

// Issue is the report of the fault that a known-bad lowering has, "" for a
// sound one.
func (l Lowering) Issue() string { return lowerings[l].issue }

// About is what a known-bad lowering does wrong, in a few words, "" for a sound one.
func (l Lowering) About() string { return lowerings[l].about }

// ParseLowering is the inverse of String.
func ParseLowering(s string) (Lowering, error) {
	names := make([]string, len(lowerings))
	for l := range lowerings {
		if names[l] = lowerings[l].name; names[l] == s {
			return Lowering(l), nil
		}
	}
	last := len(names) - 1
	return 0, fmt.Errorf("lowering %q: want %s or %s", s, strings.Join(names[:last], ", "), names[last])
}

// The faults, each where Fused would do what is right.

// unchecked reports whether the copy of a value to rows of a storage is done in
// place though it reads what it overwrites.
func (l *lowerer) unchecked(b binding, v value) bool {
	switch l.how {
	case DropWAR:
		return true
	case DropClone:
		return v.provenance == cloned
	case DropFar:
		return !slices.ContainsFunc(moves(b, v), func(by int) bool { return by == 1 || by == -1 })
	case ChunkForward:
		return inPlace(v.rows) && slices.IsSorted(b.at) && moves(b, v)[0] > 0
	case DropReshaped:
		return l.reshapedLater(b.obj)
	}
	return false
}

// reshapedLater reports whether a later statement returns rows of an object, reshaped.
func (l *lowerer) reshapedLater(o *object) bool {
	return slices.ContainsFunc(l.prog.Stmts[l.stmt+1:], func(s Stmt) bool {
		return s.Form == Reshaped && s.Src.Op == OpView && l.names[s.Src.Name].obj == o
	})
}

// lateReturn is a returned value that LateReturn has yet to read.
type lateReturn struct {
	store int
	rows  []row
}

// returnLate is the fault of LateReturn: after the last statement it reads what was
// returned before. Until then the memory is not what the program means.
func (l *lowerer) returnLate() {
	for _, r := range l.late {
		l.emit(r.store, count(0, len(r.rows)), r.rows)
	}
	if len(l.late) > 0 {
		for i := range len(l.out.settled) - 1 {
			l.out.settled[i] = false
		}
	}
}

// moves lists by how many rows each row of a storage moves that the copy of a value to
// rows of it reads and overwrites.
func moves(b binding, v value) (by []int) {
	written := among(b.at)
	for i, r := range v.rows {
		for _, x := range r {
			if x.store == b.obj.store && x.row != b.at[i] && written(x.row) {
				by = append(by, b.at[i]-x.row)
			}
		}
	}
	return by
}

// wrongBlock is the cells of a block that OneBlock is wrong at: few, so that small
// windows have such blocks.
const wrongBlock = 4

// losesRow is the fault of OneBlock.
func (l *lowerer) losesRow() bool { return l.how == OneBlock && l.block == wrongBlock }

// readEarly is the fault of ReadEarly: before rows of a storage are written, the next
// statement's source is read, if it reads any of them. A barrier or a name for memory
// keeps its place.
func (l *lowerer) readEarly(store int, written func(row int) bool) {
	if l.how != ReadEarly || l.stmt+1 == len(l.prog.Stmts) {
		return
	}
	next := l.prog.Stmts[l.stmt+1]
	if next.Index != nil || next.Src.has(OpIndexCopy) || next.Define && next.Src.Op == OpView {
		return
	}
	rows := l.eval(next.Src).rows
	if slices.ContainsFunc(rows, func(r row) bool { return r.reads(store, written) }) {
		l.early = l.fresh(rows)
	}
}

// source is the value of a statement's right-hand side.
func (l *lowerer) source(e Expr) value {
	if rows := l.early; rows != nil {
		l.early = nil
		return value{rows: rows, provenance: computed}
	}
	return l.eval(e)
}

// fuseIndex is the fault of FuseIndex: it makes a map a part of the kernel before, if
// that is an assignment by an index and the map reads its rows, at other positions.
func (l *lowerer) fuseIndex(m *rowMap) bool {
	if l.how != FuseIndex || l.fused == 0 || l.fused != len(l.out.kernels) {
		return false
	}
	first := &l.out.kernels[l.fused-1]
	if m.dst == first.dst || first.then != nil || l.out.transposed[m.dst] || !m.readsElsewhere(first) || first.reads(m.dst) {
		return false
	}
	l.join(first, m)
	return true
}

// join makes a map a part of the kernel of another, which then belongs to its statement.
func (l *lowerer) join(first, m *rowMap) {
	for i := first.stmt; i < m.stmt; i++ {
		l.out.settled[i] = false
	}
	first.then, first.stmt = m, m.stmt
}

// readsElsewhere reports whether a map reads rows that another one writes, at other
// positions than it writes itself.
func (m *rowMap) readsElsewhere(of *rowMap) bool {
	return slices.ContainsFunc(m.runs, func(r run) bool {
		return slices.ContainsFunc(r.from, func(x source) bool {
			return x.store == of.dst && x.row != r.to && slices.ContainsFunc(of.runs, func(w run) bool {
				return w.to < x.row+r.n && x.row < w.to+w.n
			})
		})
	})
}

// reads reports whether a map reads a storage.
func (m *rowMap) reads(store int) bool {
	return slices.ContainsFunc(m.runs, func(r run) bool { return r.from.reads(store, func(int) bool { return true }) })
}
