package inplace

import "slices"

// run copies n rows: rows to.. of the destination of its map from rows from..
// of storage src.
type run struct{ to, src, from, n int }

// rowMap is a map in rows: what Lower makes and Compile resolves to cells.
type rowMap struct {
	stmt int // the statement it belongs to
	dst  int // storage
	runs []run
	// then is a second map that the same kernel does, of a storage of its own.
	then *rowMap
}

// lowered is a program as kernels, still in rows. Storage i is
// buffer i of the program; temporaries follow.
type lowered struct {
	rows    []int // of each storage
	kernels []rowMap
	settled []bool // by statement: see Plan.Settled
}

// source says where one row of a value is: a row of a storage.
type source struct{ store, row int }

// provenance says what separates a value from the storage that it reads.
type provenance uint8

const (
	aliased provenance = iota // nothing: it shares memory
	cloned                    // clones alone
	computed
)

// value is what an expression gives: its rows, and, where it has memory that
// a name can share, that memory and the first row in it.
type value struct {
	rows       []source
	provenance provenance
	obj        *object
	lo         int
}

// object is what a name stands for: real memory once store >= 0, until then
// rows that are still to be computed.
type object struct {
	store      int
	rows       []source
	provenance provenance
}

// binding is what a name means: rows of an object from lo on.
type binding struct {
	obj *object
	lo  int
}

type lowerer struct {
	how   Lowering
	block int // cells a block
	prog  Program
	out   lowered
	names map[string]binding
	stmt  int
	early []source // ReadEarly: what the statement reads, read before the one before it
	fused int      // FuseIndex: one more than the kernel of the last assignment by index, 0 for none
}

// lower turns a checked program into kernels, for blocks of that many cells.
func lower(p Program, how Lowering, block int) lowered {
	l := &lowerer{how: how, block: block, prog: p, names: map[string]binding{}}
	for i, b := range p.Buffers {
		l.out.rows = append(l.out.rows, b.Rows)
		l.names[b.Name] = binding{&object{store: i}, 0}
	}
	for i, s := range p.Stmts {
		l.stmt = i
		l.out.settled = append(l.out.settled, true)
		l.statement(s)
	}
	return l.out
}

func (l *lowerer) statement(s Stmt) {
	if s.Define {
		v := l.source(s.Src)
		if v.obj == nil {
			v.obj = &object{store: -1, rows: v.rows, provenance: v.provenance}
		}
		l.names[s.Dst] = binding{v.obj, v.lo}
		return
	}
	b := l.names[s.Dst]
	if s.Index != nil {
		l.scatter(b, s.Index, s.Src)
		return
	}
	l.assign(b, s)
}

// assign lowers `x[lo:hi] = e`.
func (l *lowerer) assign(b binding, s Stmt) {
	lo, hi := b.lo+s.Lo, b.lo+s.Hi
	if l.how != Eager && b.obj.store >= 0 && s.Src.Op == OpIndexCopy {
		// index_copy of exactly the rows that it is assigned to is done in
		// place: nothing else is read.
		if base := s.Src.Args[0]; base.Op == OpView {
			if v := l.names[base.Name]; v.obj == b.obj && v.lo+base.Lo == lo && v.lo+base.Hi == hi {
				l.scatter(binding{b.obj, lo}, s.Src.Index, s.Src.Args[1])
				return
			}
		}
	}
	v := l.source(s.Src)
	if b.obj.store < 0 {
		if l.losesRow() {
			return
		}
		// The name is still to be computed: the chain grows by one link. What
		// it was built from is left alone, since others may share the rows.
		rows := slices.Clone(b.obj.rows)
		copy(rows[lo:hi], v.rows)
		b.obj.rows, b.obj.provenance = rows, computed
		return
	}
	if l.how == Eager && v.provenance == aliased || l.overwrites(b.obj.store, lo, v) && !l.unchecked(b.obj.store, lo, v) {
		v.rows = l.fresh(v.rows)
	}
	written := func(row int) bool { return row >= lo && row < hi }
	l.materializeReaders(b.obj.store, written)
	l.readEarly(b.obj.store, written)
	l.emit(b.obj.store, lo, v.rows)
}

// overwrites reports whether copying v to rows lo.. of a storage reads a row
// of it that the same copy overwrites. A row copied to itself does no harm.
func (l *lowerer) overwrites(store, lo int, v value) bool {
	for i, r := range v.rows {
		if r.store == store && r.row != lo+i && r.row >= lo && r.row < lo+len(v.rows) {
			return true
		}
	}
	return false
}

// scatter lowers an assignment by an index tensor, a barrier: destination and
// source are real buffers, and the source is none that is being written.
func (l *lowerer) scatter(b binding, index []int, e Expr) {
	v := l.eval(e)
	if b.obj.store < 0 {
		l.materialize(b.obj)
	}
	if !inPlace(v) || len(v.rows) > 0 && v.rows[0].store == b.obj.store || l.how == Eager && v.provenance == aliased {
		v.rows = l.fresh(v.rows)
	}
	written := map[int]bool{}
	for _, i := range index {
		written[b.lo+i] = true
	}
	l.materializeReaders(b.obj.store, func(row int) bool { return written[row] })
	m := rowMap{stmt: l.stmt, dst: b.obj.store}
	for i, to := range index {
		m.add(b.lo+to, v.rows[i])
	}
	l.push(m)
	l.fused = len(l.out.kernels)
}

// inPlace reports whether a value is a run of rows of one storage already.
func inPlace(v value) bool {
	for i, r := range v.rows {
		if r.store != v.rows[0].store || r.row != v.rows[0].row+i {
			return false
		}
	}
	return true
}

// materializeReaders materialises whatever is still to be computed from rows that are about
// to be overwritten, if a later statement uses it.
func (l *lowerer) materializeReaders(store int, written func(row int) bool) {
	var readers []string // most often there is none
	for name, x := range l.names {
		if x.obj.store < 0 && slices.ContainsFunc(x.obj.rows, func(r source) bool { return r.store == store && written(r.row) }) {
			readers = append(readers, name)
		}
	}
	slices.Sort(readers)
	for _, name := range readers {
		if o := l.names[name].obj; o.store < 0 && l.usedLater(name) {
			l.materialize(o)
		}
	}
}

// usedLater reports whether a statement after this one reads name, or writes
// some of its rows, before it is defined anew.
func (l *lowerer) usedLater(name string) bool {
	for _, s := range l.prog.Stmts[l.stmt+1:] {
		if s.Src.uses(name) || !s.Define && s.Dst == name {
			return true
		}
		if s.Define && s.Dst == name {
			return false
		}
	}
	return false
}

func (e Expr) uses(name string) bool {
	if e.Op == OpView {
		return e.Name == name
	}
	for _, a := range e.Args {
		if a.uses(name) {
			return true
		}
	}
	return false
}

// materialize gives an object memory of its own, and fills it.
func (l *lowerer) materialize(o *object) {
	o.store = l.storage(len(o.rows))
	l.emit(o.store, 0, o.rows)
	o.rows = nil
}

// fresh emits the kernel that copies rows to a new storage.
func (l *lowerer) fresh(rows []source) []source {
	store := l.storage(len(rows))
	l.emit(store, 0, rows)
	return rowsOf(store, 0, len(rows))
}

func (l *lowerer) storage(rows int) int {
	l.out.rows = append(l.out.rows, rows)
	return len(l.out.rows) - 1
}

func rowsOf(store, lo, n int) []source {
	rows := make([]source, n)
	for i := range rows {
		rows[i] = source{store, lo + i}
	}
	return rows
}

func (l *lowerer) emit(store, lo int, rows []source) {
	if len(rows) == 0 {
		return
	}
	m := rowMap{stmt: l.stmt, dst: store}
	for i, r := range rows {
		m.add(lo+i, r)
	}
	l.push(m)
}

// push adds the kernel of a map.
func (l *lowerer) push(m rowMap) {
	if l.fuseIndex(&m) {
		return
	}
	l.out.kernels = append(l.out.kernels, m)
}

// add appends one row, joined to the run before it where it goes on.
func (m *rowMap) add(to int, r source) {
	if k := len(m.runs) - 1; k >= 0 {
		if p := &m.runs[k]; p.src == r.store && p.from+p.n == r.row && p.to+p.n == to {
			p.n++
			return
		}
	}
	m.runs = append(m.runs, run{to, r.store, r.row, 1})
}

func (l *lowerer) eval(e Expr) value {
	if e.Op == OpView {
		b := l.names[e.Name]
		v := value{provenance: aliased, obj: b.obj, lo: b.lo + e.Lo}
		if b.obj.store >= 0 {
			v.rows = rowsOf(b.obj.store, v.lo, e.Hi-e.Lo)
		} else {
			// It reads through the operations that the name stands for.
			v.rows, v.provenance = b.obj.rows[v.lo:v.lo+e.Hi-e.Lo], b.obj.provenance
		}
		return v
	}
	args := make([]value, len(e.Args))
	for i, a := range e.Args {
		args[i] = l.eval(a)
	}
	base := args[0].rows
	out := value{provenance: computed}
	switch e.Op {
	case OpClone:
		out.rows = base
		if args[0].provenance <= cloned {
			out.provenance = cloned
		}
	case OpCat:
		for _, a := range args {
			out.rows = slices.Concat(out.rows, a.rows)
		}
	case OpRoll:
		n := len(base)
		out.rows = make([]source, n)
		for i, r := range base {
			out.rows[((i+e.K)%n+n)%n] = r
		}
	case OpGather:
		out.rows = make([]source, len(e.Index))
		for i, r := range e.Index {
			out.rows[i] = base[r]
		}
	case OpIndexCopy:
		return l.indexCopy(args, e.Index)
	}
	if l.how == Eager {
		return l.owned(out.rows)
	}
	return out
}

// owned is a value with a real buffer of its own.
func (l *lowerer) owned(rows []source) value {
	o := &object{store: l.storage(len(rows))}
	l.emit(o.store, 0, rows)
	return value{rows: rowsOf(o.store, 0, len(rows)), provenance: computed, obj: o}
}

// indexCopy emits the barrier: a real buffer with the base, and the scatter
// into it. The result is real, so nothing reads through it.
func (l *lowerer) indexCopy(args []value, index []int) value {
	src := args[1]
	if !inPlace(src) {
		src.rows = l.fresh(src.rows)
	}
	out := l.owned(args[0].rows)
	if len(index) > 0 {
		m := rowMap{stmt: l.stmt, dst: out.obj.store}
		for i, to := range index {
			m.add(to, src.rows[i])
		}
		l.push(m)
		l.fused = len(l.out.kernels)
	}
	return out
}
