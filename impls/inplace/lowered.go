package inplace

// run copies n rows: rows to.. of the destination of its map are the sums of those from
// each of from on.
type run struct {
	to, n int
	from  row
}

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
	rows       []int        // of each storage
	transposed map[int]bool // storages whose rows and elements are exchanged
	kernels    []rowMap
	returns    []int  // the storage of each returned value
	settled    []bool // by statement: see Plan.Settled
}

// add appends one row, joined to the run before it where it goes on.
func (m *rowMap) add(to int, r row) {
	if k := len(m.runs) - 1; k >= 0 {
		if p := &m.runs[k]; p.to+p.n == to && p.continues(r) {
			p.n++
			return
		}
	}
	m.runs = append(m.runs, run{to, 1, r})
}

// continues reports whether a row is what comes after a run.
func (p *run) continues(r row) bool {
	if len(p.from) != len(r) {
		return false
	}
	for i, f := range p.from {
		if f.store != r[i].store || f.row+p.n != r[i].row {
			return false
		}
	}
	return true
}
