package inplace

import "slices"

// source is a row of a storage.
type source struct{ store, row int }

// row says what one row of a value is: the sum of rows of storages, most often of one.
// It is never changed.
type row []source

// reads reports whether a row takes one of a storage that satisfies is.
func (r row) reads(store int, is func(row int) bool) bool {
	return slices.ContainsFunc(r, func(x source) bool { return x.store == store && is(x.row) })
}

// provenance says what separates a value from the storage that it reads.
type provenance uint8

const (
	aliased provenance = iota // nothing: it shares memory
	cloned                    // clones alone
	computed
)

// value is what an expression gives: its rows, and, where it has memory that
// a name can share, that memory and which rows of it.
type value struct {
	rows       []row
	provenance provenance
	binding
}

// object is what a name stands for: real memory once store >= 0, until then
// rows that are still to be computed.
type object struct {
	store      int
	rows       []row
	provenance provenance
}

// binding is what a name means: rows of an object.
type binding struct {
	obj *object
	at  []int
}

type lowerer struct {
	how   Lowering
	block int // cells a block
	prog  Program
	out   lowered
	names map[string]binding
	stmt  int
	early []row //  ReadEarly: what the statement reads, read before the one before it
	fused int   // FuseIndex: one more than the kernel of the last assignment by index, 0 for none
	late  []lateReturn
}

// lower turns a checked program into kernels, for blocks of that many cells.
func lower(p Program, how Lowering, block int) lowered {
	l := &lowerer{how: how, block: block, prog: p, names: map[string]binding{}}
	for i, b := range p.Buffers {
		l.out.rows = append(l.out.rows, b.Rows)
		l.names[b.Name] = binding{&object{store: i}, count(0, b.Rows)}
	}
	for i, s := range p.Stmts {
		l.stmt = i
		l.out.settled = append(l.out.settled, true)
		l.statement(s)
	}
	l.returnLate()
	return l.out
}

// count is lo, lo+1, …, lo+n-1.
func count(lo, n int) []int {
	c := make([]int, n)
	for i := range c {
		c[i] = lo + i
	}
	return c
}

func (l *lowerer) statement(s Stmt) {
	switch {
	case s.Form != NotReturned:
		l.returned(s)
	case s.Define:
		v := l.source(s.Src)
		if v.obj == nil {
			v.binding = binding{&object{store: -1, rows: v.rows, provenance: v.provenance}, count(0, len(v.rows))}
		}
		l.names[s.Dst] = v.binding
	case s.Index != nil:
		l.scatter(l.names[s.Dst], s.Index, s.Src)
	default:
		b := l.names[s.Dst]
		l.assign(binding{b.obj, pick(b.at, s.Rows())}, s)
	}
}

// returned gives a returned value storage of its own.
func (l *lowerer) returned(s Stmt) {
	v := l.source(s.Src)
	store := l.storage(len(v.rows))
	if s.Form == Transposed {
		if l.out.transposed == nil {
			l.out.transposed = map[int]bool{}
		}
		l.out.transposed[store] = true
	}
	l.out.returns = append(l.out.returns, store)
	if l.how == LateReturn {
		l.late = append(l.late, lateReturn{store, v.rows})
		return
	}
	l.emit(store, count(0, len(v.rows)), v.rows)
}

// assign lowers an assignment to rows of what a name means, `x[lo:hi] = e` and its like.
func (l *lowerer) assign(b binding, s Stmt) {
	if l.how != Eager && b.obj.store >= 0 && s.Src.Op == OpIndexCopy && !s.Add {
		// index_copy of exactly the rows that it is assigned to is done in
		// place: nothing else is read.
		if base := s.Src.Args[0]; base.Op == OpView {
			if v := l.names[base.Name]; v.obj == b.obj && slices.Equal(pick(v.at, base.Rows()), b.at) {
				l.scatter(b, s.Src.Index, s.Src.Args[1])
				return
			}
		}
	}
	v := l.source(s.Src)
	if s.Add {
		v = value{rows: sums([][]row{l.rowsOf(b), v.rows}), provenance: computed}
	}
	if b.obj.store < 0 {
		if l.losesRow() {
			return
		}
		// The name is still to be computed: the chain grows by one link. What
		// it was built from is left alone, since others may share the rows.
		rows := slices.Clone(b.obj.rows)
		for i, to := range b.at {
			rows[to] = v.rows[i]
		}
		b.obj.rows, b.obj.provenance = rows, computed
		return
	}
	if l.how == Eager && (v.provenance == aliased || s.Add) || l.overwrites(b, v) && !l.unchecked(b, v) {
		v.rows = l.fresh(v.rows)
	}
	written := among(b.at)
	l.materializeReaders(b.obj.store, written)
	l.readEarly(b.obj.store, written)
	l.emit(b.obj.store, b.at, v.rows)
}

// among reports whether a row is one of a list.
func among(rows []int) func(row int) bool {
	if n := len(rows); n > 0 && rows[n-1]-rows[0] == n-1 && slices.IsSorted(rows) {
		return func(row int) bool { return row >= rows[0] && row <= rows[n-1] }
	}
	set := make(map[int]bool, len(rows))
	for _, r := range rows {
		set[r] = true
	}
	return func(row int) bool { return set[row] }
}

// overwrites reports whether copying v to rows of a storage reads a row
// of it that the same copy overwrites. A row copied to itself does no harm.
func (l *lowerer) overwrites(b binding, v value) bool {
	written := among(b.at)
	for i, r := range v.rows {
		if r.reads(b.obj.store, func(row int) bool { return row != b.at[i] && written(row) }) {
			return true
		}
	}
	return false
}

// scatter lowers an assignment by an index tensor, a barrier: destination and
// source are real buffers, and the source is none that is being written.
func (l *lowerer) scatter(b binding, index []int, e Expr) {
	v := l.source(e)
	if b.obj.store < 0 {
		l.materialize(b.obj)
	}
	if !inPlace(v.rows) || len(v.rows) > 0 && v.rows[0][0].store == b.obj.store || l.how == Eager && v.provenance == aliased {
		v.rows = l.fresh(v.rows)
	}
	to := pick(b.at, index)
	l.materializeReaders(b.obj.store, among(to))
	l.push(l.rowMap(b.obj.store, to, v.rows))
	l.fused = len(l.out.kernels)
}

// inPlace reports whether rows are a run of rows of one storage already.
func inPlace(rows []row) bool {
	for i, r := range rows {
		if len(r) != 1 || r[0].store != rows[0][0].store || r[0].row != rows[0][0].row+i {
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
		if x.obj.store < 0 && slices.ContainsFunc(x.obj.rows, func(r row) bool { return r.reads(store, written) }) {
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
		if s.Src.uses(name) || !s.Define && s.Form == NotReturned && s.Dst == name {
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
	l.emit(o.store, count(0, len(o.rows)), o.rows)
	o.rows = nil
}

// fresh emits the kernel that copies rows to a new storage.
func (l *lowerer) fresh(rows []row) []row {
	store := l.storage(len(rows))
	l.emit(store, count(0, len(rows)), rows)
	return rowsOf(store, count(0, len(rows)))
}

func (l *lowerer) storage(rows int) int {
	l.out.rows = append(l.out.rows, rows)
	return len(l.out.rows) - 1
}

func rowsOf(store int, at []int) []row {
	all := make([]source, len(at))
	rows := make([]row, len(at))
	for i := range rows {
		all[i] = source{store, at[i]}
		rows[i] = all[i : i+1 : i+1]
	}
	return rows
}

// rowsOf are the rows that a binding stands for.
func (l *lowerer) rowsOf(b binding) []row {
	if b.obj.store >= 0 {
		return rowsOf(b.obj.store, b.at)
	}
	return pick(b.obj.rows, b.at)
}

// sums are the rows of each part added up.
func sums(parts [][]row) []row {
	out := slices.Clone(parts[0])
	for i := range out {
		for _, p := range parts[1:] {
			out[i] = slices.Concat(out[i], p[i])
		}
	}
	return out
}

// emit adds the kernel that writes rows to those of a storage, cells in the order of
// its memory.
func (l *lowerer) emit(store int, to []int, rows []row) {
	if len(rows) == 0 {
		return
	}
	if !slices.IsSorted(to) {
		order := count(0, len(to))
		slices.SortFunc(order, func(a, b int) int { return to[a] - to[b] })
		to, rows = pick(to, order), pick(rows, order)
	}
	l.push(l.rowMap(store, to, rows))
}

func (l *lowerer) rowMap(store int, to []int, rows []row) rowMap {
	m := rowMap{stmt: l.stmt, dst: store}
	for i, r := range rows {
		m.add(to[i], r)
	}
	return m
}

// push adds the kernel of a map.
func (l *lowerer) push(m rowMap) {
	if l.fuseIndex(&m) {
		return
	}
	l.out.kernels = append(l.out.kernels, m)
}

func (l *lowerer) eval(e Expr) value {
	if e.Op == OpView {
		b := l.names[e.Name]
		v := value{provenance: aliased, binding: binding{b.obj, pick(b.at, e.Rows())}}
		v.rows = l.rowsOf(v.binding)
		if b.obj.store < 0 {
			// It reads through the operations that the name stands for.
			v.provenance = b.obj.provenance
		}
		return v
	}
	args := make([]value, len(e.Args))
	rows := make([][]row, len(e.Args))
	for i, a := range e.Args {
		args[i] = l.eval(a)
		rows[i] = args[i].rows
	}
	out := value{provenance: computed}
	switch e.Op {
	case OpIndexCopy:
		return l.indexCopy(args, e.Index)
	case OpAdd:
		out.rows = sums(rows)
	default:
		out.rows = arrange(e, rows)
	}
	if e.Op == OpClone && args[0].provenance <= cloned {
		out.provenance = cloned
	}
	if l.how == Eager {
		return l.owned(out.rows)
	}
	return out
}

// owned is a value with a real buffer of its own.
func (l *lowerer) owned(rows []row) value {
	at := count(0, len(rows))
	o := &object{store: l.storage(len(rows))}
	l.emit(o.store, at, rows)
	return value{rows: rowsOf(o.store, at), provenance: computed, binding: binding{o, at}}
}

// indexCopy emits the barrier: a real buffer with the base, and the scatter
// into it. The result is real, so nothing reads through it.
func (l *lowerer) indexCopy(args []value, index []int) value {
	src := args[1]
	if !inPlace(src.rows) {
		src.rows = l.fresh(src.rows)
	}
	out := l.owned(args[0].rows)
	if len(index) > 0 {
		l.push(l.rowMap(out.obj.store, index, src.rows))
		l.fused = len(l.out.kernels)
	}
	return out
}
