package inplace

import (
	"fmt"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Copy is a stretch of a map, resolved to storage and element offset: cells
// Cell … Cell+N-1 of the kernel are elements To … of storage Dst, and take
// elements From … of storage Src, to which those of More are added.
type Copy struct {
	Cell, Dst, To, Src, From, N int
	More                        []Term
}

// Term is a summand of a copy: elements From … of storage Src.
type Term struct{ Src, From int }

// reads calls yield with where each summand starts, until it returns false.
func (c *Copy) reads(yield func(Term) bool) {
	if !yield(Term{c.Src, c.From}) {
		return
	}
	for _, t := range c.More {
		if !yield(t) {
			return
		}
	}
}

// Kernel is one launch, made by NewKernel. Its cells are numbered in the memory order of the
// destination view, lanes included; a second destination starts a new block.
// Block b does cells b*Block … (b+1)*Block-1: all its loads, then all its
// stores.
type Kernel struct {
	Stmt   int // the statement of the program that it belongs to
	Block  int // cells a block
	Copies []Copy
	cells  int
	blocks int
	// disjoint: no cell is both read and written, or written twice, so that a
	// block need not finish its loads before it stores.
	disjoint bool
	dtype    impls.DType // of what is added
	adds     bool        // some copy has several summands
}

// NewKernel sorts the copies by cell and finds out what the devices need to
// know of them.
func NewKernel(stmt, block int, copies []Copy) *Kernel {
	slices.SortStableFunc(copies, func(a, b Copy) int { return a.Cell - b.Cell })
	k := &Kernel{Stmt: stmt, Block: block, Copies: copies}
	if n := len(copies); n > 0 {
		k.cells = copies[n-1].Cell + copies[n-1].N
	}
	k.blocks = (k.cells + block - 1) / block
	k.disjoint = k.isDisjoint()
	k.adds = slices.ContainsFunc(copies, func(c Copy) bool { return len(c.More) > 0 })
	return k
}

// Adds reports whether the kernel adds cells, rather than copying them alone.
func (k *Kernel) Adds() bool { return k.adds }

// Cells is one more than the number of the last cell.
func (k *Kernel) Cells() int { return k.cells }

// Blocks is the number of blocks.
func (k *Kernel) Blocks() int { return k.blocks }

// isDisjoint compares the stretches of each storage, sorted by where they start.
func (k *Kernel) isDisjoint() bool {
	type stretch struct {
		store, lo, hi int
		write         bool
	}
	var written []int // a storage or two
	for i := range k.Copies {
		if dst := k.Copies[i].Dst; !slices.Contains(written, dst) {
			written = append(written, dst)
		}
	}
	all := make([]stretch, 0, 2*len(k.Copies))
	for i := range k.Copies {
		c := &k.Copies[i]
		all = append(all, stretch{c.Dst, c.To, c.To + c.N, true})
		for t := range c.reads {
			if slices.Contains(written, t.Src) {
				all = append(all, stretch{t.Src, t.From, t.From + c.N, false})
			}
		}
	}
	slices.SortFunc(all, func(a, b stretch) int {
		if a.store != b.store {
			return a.store - b.store
		}
		return a.lo - b.lo
	})
	// end and writeEnd are where the stretches so far reach in this storage.
	store, end, writeEnd := -1, 0, 0
	for _, s := range all {
		if s.store != store {
			store, end, writeEnd = s.store, 0, 0
		}
		if s.lo < writeEnd || s.write && s.lo < end {
			return false
		}
		end = max(end, s.hi)
		if s.write {
			writeEnd = max(writeEnd, s.hi)
		}
	}
	return true
}

// find is the index of the first copy that reaches past cell.
func (k *Kernel) find(cell int) int {
	lo, hi := 0, len(k.Copies)
	for lo < hi {
		m := int(uint(lo+hi) >> 1)
		if c := &k.Copies[m]; c.Cell+c.N > cell {
			hi = m
		} else {
			lo = m + 1
		}
	}
	return lo
}

// runBlock does one block: all its loads, then all its stores. size is the
// number of bytes of an element; scratch holds a block.
func (k *Kernel) runBlock(b int, mem [][]byte, size int, scratch []byte) {
	lo := b * k.Block
	hi := lo + k.Block
	i := 0
	if len(k.Copies) > 1 {
		i = k.find(lo)
	}
	if !k.adds && (k.disjoint || i+1 >= len(k.Copies) || k.Copies[i+1].Cell >= hi) {
		// One stretch at a time is enough; copy itself loads before it
		// stores.
		k.copyFrom(i, lo, hi, mem, size)
		return
	}
	at := 0
	for j := i; j < len(k.Copies) && k.Copies[j].Cell < hi; j++ {
		c := &k.Copies[j]
		from, to := max(lo, c.Cell), min(hi, c.Cell+c.N)
		s, n := (c.From+from-c.Cell)*size, (to-from)*size
		copy(scratch[at:], mem[c.Src][s:s+n])
		for _, t := range c.More {
			s := (t.From + from - c.Cell) * size
			add(k.dtype, scratch[at:at+n], mem[t.Src][s:s+n])
		}
		at += n
	}
	at = 0
	for ; i < len(k.Copies) && k.Copies[i].Cell < hi; i++ {
		c := &k.Copies[i]
		from, to := max(lo, c.Cell), min(hi, c.Cell+c.N)
		d, n := (c.To+from-c.Cell)*size, (to-from)*size
		copy(mem[c.Dst][d:d+n], scratch[at:])
		at += n
	}
}

// runStretches copies cells lo to hi-1, stretch by stretch, of a kernel without sums.
func (k *Kernel) runStretches(lo, hi int, mem [][]byte, size int) {
	k.copyFrom(k.find(lo), lo, hi, mem, size)
}

// copyFrom is runStretches, of which the first is that of copy i.
func (k *Kernel) copyFrom(i, lo, hi int, mem [][]byte, size int) {
	for ; i < len(k.Copies) && k.Copies[i].Cell < hi; i++ {
		c := &k.Copies[i]
		from, to := max(lo, c.Cell), min(hi, c.Cell+c.N)
		d, s, n := (c.To+from-c.Cell)*size, (c.From+from-c.Cell)*size, (to-from)*size
		copy(mem[c.Dst][d:d+n], mem[c.Src][s:s+n])
	}
}

// Plan is a program compiled for one shape: what a device needs to run it.
type Plan struct {
	Rows    []int // rows of each storage: the program's buffers, then temporaries
	Returns []int // the storage of each value that the program returns
	Kernels []*Kernel
	// settled holds for each statement whether its kernels, and those before, have
	// done all that it means: a kernel of two statements belongs to the second.
	settled    []bool
	transposed map[int]bool
	shape      impls.Shape
}

// Settled reports whether the memory is what a program means after a statement, by its
// index, once the kernels up to that statement have run. After the last it is.
func (p *Plan) Settled(stmt int) bool { return p.settled[stmt] }

// Compile lowers a checked program and resolves it to cells of the given
// shape; the rows of each storage are laid out as shape.Layout says. A block
// takes block cells.
func Compile(p Program, how Lowering, s impls.Shape, block int) *Plan {
	return Lower(p, how, block).Compile(s, block)
}

// Lowered is a checked program as kernels in rows, for caches of any lanes, dim, element
// type and layout.
type Lowered struct{ lowered }

// Lower is the part of Compile that asks for no shape.
func Lower(p Program, how Lowering, block int) *Lowered { return &Lowered{lower(p, how, block)} }

// Rows are those of each storage: the program's buffers, then temporaries. They are not to
// be changed.
func (low *Lowered) Rows() []int { return low.rows }

// Compile is the other part. The block must be that of Lower, but for the sound lowerings,
// which do not depend on it.
func (low *Lowered) Compile(s impls.Shape, block int) *Plan {
	plan := &Plan{Rows: low.rows, Returns: low.returns, settled: low.settled, transposed: low.transposed, shape: s}
	for i := range low.kernels {
		m := &low.kernels[i]
		copies := plan.resolve(m, 0)
		if m.then != nil {
			last := copies[len(copies)-1]
			blocks := (last.Cell + last.N + block - 1) / block
			copies = append(copies, plan.resolve(m.then, blocks*block)...)
		}
		k := NewKernel(m.stmt, block, copies)
		k.dtype = s.DType
		plan.Kernels = append(plan.Kernels, k)
	}
	return plan
}

// resolve numbers the cells of a map in the memory order of its destination, from
// cell on.
func (p *Plan) resolve(m *rowMap, cell int) []Copy {
	var copies []Copy
	var terms []Term // of the stretch at hand
	// add appends n cells from to on, of the sum of n cells from each term on.
	add := func(to, n int) {
		if k := len(copies) - 1; k >= 0 && copies[k].To+copies[k].N == to && copies[k].continues(terms) {
			copies[k].N += n
			cell += n
			return
		}
		c := Copy{Cell: cell, Dst: m.dst, To: to, Src: terms[0].Src, From: terms[0].From, N: n}
		if len(terms) > 1 {
			c.More = slices.Clone(terms[1:])
		}
		copies = append(copies, c)
		cell += n
	}
	// from sets the terms to where the rows of a run begin.
	from := func(r *run, lane, row, elem int) {
		terms = terms[:0]
		for _, x := range r.from {
			terms = append(terms, Term{x.store, p.Offset(x.store, lane, x.row+row, elem)})
		}
	}
	lanes, dim := p.shape.Lanes(), p.shape.Dim
	switch {
	case p.transposed[m.dst]: // an element of all rows is contiguous
		for lane := range lanes {
			for elem := range dim {
				for i := range m.runs {
					for row := range m.runs[i].n {
						from(&m.runs[i], lane, row, elem)
						add(p.Offset(m.dst, lane, m.runs[i].to+row, elem), 1)
					}
				}
			}
		}
	case p.shape.Layout == impls.TokensFirst: // one row of all lanes is contiguous
		for i := range m.runs {
			from(&m.runs[i], 0, 0, 0)
			add(p.Offset(m.dst, 0, m.runs[i].to, 0), m.runs[i].n*lanes*dim)
		}
	default:
		for lane := range lanes {
			for i := range m.runs {
				from(&m.runs[i], lane, 0, 0)
				add(p.Offset(m.dst, lane, m.runs[i].to, 0), m.runs[i].n*dim)
			}
		}
	}
	return copies
}

// continues reports whether terms are what comes after a copy.
func (c *Copy) continues(terms []Term) bool {
	if len(terms) != 1+len(c.More) {
		return false
	}
	i := 0
	for t := range c.reads {
		if terms[i].Src != t.Src || terms[i].From != t.From+c.N {
			return false
		}
		i++
	}
	return true
}

// Transposed reports whether a storage holds rows and elements exchanged: the rows of
// an element of a lane lie together.
func (p *Plan) Transposed(storage int) bool { return p.transposed[storage] }

// Cell says which lane, row and element of a storage an element offset is.
func (p *Plan) Cell(storage, offset int) (lane, row, elem int) {
	if p.transposed[storage] {
		rows := p.Rows[storage]
		return offset / rows / p.shape.Dim, offset % rows, offset / rows % p.shape.Dim
	}
	elem = offset % p.shape.Dim
	at := offset / p.shape.Dim
	if p.shape.Layout == impls.TokensFirst {
		return at % p.shape.Lanes(), at / p.shape.Lanes(), elem
	}
	return at / p.Rows[storage], at % p.Rows[storage], elem
}

// Offset is the inverse of Cell.
func (p *Plan) Offset(storage, lane, row, elem int) int {
	if p.transposed[storage] {
		return (lane*p.shape.Dim+elem)*p.Rows[storage] + row
	}
	if p.shape.Layout == impls.TokensFirst {
		return (row*p.shape.Lanes()+lane)*p.shape.Dim + elem
	}
	return (lane*p.Rows[storage]+row)*p.shape.Dim + elem
}

// Device runs kernels. mem holds the storages; size is the number of bytes of
// an element; order lists the blocks, nil for ascending. A device is not for
// use by two goroutines at once.
type Device interface {
	Run(k *Kernel, mem [][]byte, size int, order []int32)
}

// NewDevice makes the device of that name, if it is one of this package.
func NewDevice(name string) (Device, error) {
	switch name {
	case "sim":
		return &Sim{}, nil
	case "host":
		return &Host{}, nil
	}
	return nil, fmt.Errorf("device %q: want host or sim", name)
}

// Destination is the storage and element offset that a cell of the kernel is
// written to; the cell must be one that a copy computes.
func (k *Kernel) Destination(cell int) (storage, offset int) {
	c := k.Copies[k.find(cell)]
	return c.Dst, c.To + cell - c.Cell
}
