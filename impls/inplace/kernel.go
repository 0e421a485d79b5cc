package inplace

import (
	"fmt"
	"sort"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Copy is a stretch of a map, resolved to storage and element offset: cells
// Cell … Cell+N-1 of the kernel are elements To … of storage Dst, and take
// elements From … of storage Src.
type Copy struct {
	Cell, Dst, To, Src, From, N int
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
}

// NewKernel sorts the copies by cell and finds out what the devices need to
// know of them.
func NewKernel(stmt, block int, copies []Copy) *Kernel {
	sort.SliceStable(copies, func(i, j int) bool { return copies[i].Cell < copies[j].Cell })
	k := &Kernel{Stmt: stmt, Block: block, Copies: copies}
	if n := len(copies); n > 0 {
		k.cells = copies[n-1].Cell + copies[n-1].N
	}
	k.blocks = (k.cells + block - 1) / block
	k.disjoint = k.isDisjoint()
	return k
}

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
	written := map[int]bool{}
	for _, c := range k.Copies {
		written[c.Dst] = true
	}
	var all []stretch
	for _, c := range k.Copies {
		all = append(all, stretch{c.Dst, c.To, c.To + c.N, true})
		if written[c.Src] {
			all = append(all, stretch{c.Src, c.From, c.From + c.N, false})
		}
	}
	sort.Slice(all, func(i, j int) bool {
		if all[i].store != all[j].store {
			return all[i].store < all[j].store
		}
		return all[i].lo < all[j].lo
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
	if k.disjoint || i+1 >= len(k.Copies) || k.Copies[i+1].Cell >= hi {
		// One stretch at a time is enough; copy itself loads before it
		// stores.
		for ; i < len(k.Copies) && k.Copies[i].Cell < hi; i++ {
			c := &k.Copies[i]
			from, to := max(lo, c.Cell), min(hi, c.Cell+c.N)
			d, s, n := (c.To+from-c.Cell)*size, (c.From+from-c.Cell)*size, (to-from)*size
			copy(mem[c.Dst][d:d+n], mem[c.Src][s:s+n])
		}
		return
	}
	at := 0
	for j := i; j < len(k.Copies) && k.Copies[j].Cell < hi; j++ {
		c := &k.Copies[j]
		from, to := max(lo, c.Cell), min(hi, c.Cell+c.N)
		s, n := (c.From+from-c.Cell)*size, (to-from)*size
		copy(scratch[at:], mem[c.Src][s:s+n])
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

// Plan is a program compiled for one shape: what a device needs to run it.
type Plan struct {
	Rows    []int // rows of each storage: the program's buffers, then temporaries
	Kernels []*Kernel
	// settled holds for each statement whether its kernels, and those before, have
	// done all that it means: a kernel of two statements belongs to the second.
	settled []bool
	shape   impls.Shape
}

// Settled reports whether the memory is what a program means after a statement, by its
// index, once the kernels up to that statement have run. After the last it is.
func (p *Plan) Settled(stmt int) bool { return p.settled[stmt] }

// Compile lowers a checked program and resolves it to cells of the given
// shape; the rows of each storage are laid out as shape.Layout says. A block
// takes block cells.
func Compile(p Program, how Lowering, s impls.Shape, block int) *Plan {
	low := lower(p, how, block)
	plan := &Plan{Rows: low.rows, settled: low.settled, shape: s}
	for _, m := range low.kernels {
		copies := resolve(m, low.rows, s, 0)
		if m.then != nil {
			last := copies[len(copies)-1]
			blocks := (last.Cell + last.N + block - 1) / block
			copies = append(copies, resolve(*m.then, low.rows, s, blocks*block)...)
		}
		plan.Kernels = append(plan.Kernels, NewKernel(m.stmt, block, copies))
	}
	return plan
}

// resolve numbers the cells of a map in the memory order of its destination, from
// cell on.
func resolve(m rowMap, rows []int, s impls.Shape, cell int) []Copy {
	var copies []Copy
	add := func(to, src, from, n int) {
		if k := len(copies) - 1; k >= 0 {
			if p := &copies[k]; p.Src == src && p.To+p.N == to && p.From+p.N == from {
				p.N += n
				cell += n
				return
			}
		}
		copies = append(copies, Copy{cell, m.dst, to, src, from, n})
		cell += n
	}
	lanes, dim := s.Lanes(), s.Dim
	if s.Layout == impls.TokensFirst { // one row of all lanes is contiguous
		for _, r := range m.runs {
			add(r.to*lanes*dim, r.src, r.from*lanes*dim, r.n*lanes*dim)
		}
		return copies
	}
	for lane := range lanes {
		for _, r := range m.runs {
			add((lane*rows[m.dst]+r.to)*dim, r.src, (lane*rows[r.src]+r.from)*dim, r.n*dim)
		}
	}
	return copies
}

// Cell says which lane, row and element of a storage an element offset is.
func (p *Plan) Cell(storage, offset int) (lane, row, elem int) {
	elem = offset % p.shape.Dim
	at := offset / p.shape.Dim
	if p.shape.Layout == impls.TokensFirst {
		return at % p.shape.Lanes(), at / p.shape.Lanes(), elem
	}
	return at / p.Rows[storage], at % p.Rows[storage], elem
}

// Offset is the inverse of Cell.
func (p *Plan) Offset(storage, lane, row, elem int) int {
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
