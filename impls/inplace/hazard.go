package inplace

import "fmt"

// HazardKind says what a hazard breaks.
type HazardKind uint8

// The hazards: the reader needs the value that the writer overwrites; the
// reader needs the value that the writer has yet to write; two writers.
const (
	NoHazard HazardKind = iota
	WAR
	RAW
	WAW
)

var hazardNames = [...]string{NoHazard: "none", WAR: "WAR", RAW: "RAW", WAW: "WAW"}

func (h HazardKind) String() string { return hazardNames[h] }

// ParseHazardKind is the inverse of String.
func ParseHazardKind(s string) (HazardKind, error) {
	for h, name := range hazardNames {
		if name == s {
			return HazardKind(h), nil
		}
	}
	return 0, fmt.Errorf("hazard %q: want WAR, RAW, WAW or none", s)
}

// Hazard is two blocks of one kernel that touch one cell, in a way that makes
// the result depend on their order.
type Hazard struct {
	Kind    HazardKind
	Storage int // the cell: its storage and element offset
	Offset  int
	Writer  int // the block that writes the cell
	Other   int // the block that reads it, or, for WAW, the later writer
	At      int // the cell of the kernel that Other computes
}

// Witness is a schedule under which the hazard changes the result: this block
// first, the rest ascending.
func (h Hazard) Witness() int {
	if h.Kind == WAR {
		return h.Writer
	}
	return h.Other
}

// Conflict reports whether two blocks touch one cell and at least one of them
// writes it, be it the value that the cell already has.
func (k *Kernel) Conflict() bool {
	found := false
	k.detect(true, func(Hazard) bool { found = true; return false })
	return found
}

// Hazards calls yield for hazards of the kernel, in the order of the cells
// that are computed, until it returns false. There is a call for every
// computed cell that reads or overwrites what another block writes; where
// many blocks write one cell, one of them stands for all. A kernel without
// any gives one result under every schedule.
func (k *Kernel) Hazards(yield func(Hazard) bool) { k.detect(false, yield) }

// Hazard returns the first hazard, if there is one.
func (k *Kernel) Hazard() (h Hazard, found bool) {
	k.Hazards(func(x Hazard) bool { h, found = x, true; return false })
	return h, found
}

// writers holds, for elements base … of a storage, the block that writes each,
// plus one; 0 for none.
type writers struct {
	base  int
	block []int32
}

// detect finds conflicts, or hazards: then writes of a cell to itself are left
// out, for a block under a schedule is atomic and such a write changes
// nothing. Cost: two passes over the cells.
func (k *Kernel) detect(selfToo bool, yield func(Hazard) bool) {
	if k.disjoint {
		return
	}
	by := map[int]*writers{}
	span := map[int][2]int{}
	for _, c := range k.Copies {
		s, ok := span[c.Dst]
		if !ok {
			s = [2]int{c.To, c.To}
		}
		span[c.Dst] = [2]int{min(s[0], c.To), max(s[1], c.To+c.N)}
	}
	for store, s := range span {
		by[store] = &writers{s[0], make([]int32, s[1]-s[0])}
	}
	more := true
	k.stretches(func(c *Copy, at, n, block int) bool {
		if !selfToo && c.self() {
			return true
		}
		w := by[c.Dst]
		off := c.To + at - w.base
		mine := int32(block + 1)
		for i, old := range w.block[off : off+n] {
			if old != 0 && old != mine {
				more = yield(Hazard{WAW, c.Dst, c.To + at + i, int(old) - 1, block, c.Cell + at + i})
				if !more {
					return false
				}
			}
			w.block[off+i] = mine
		}
		return true
	})
	if !more {
		return
	}
	first := k.firstBlocks()
	k.stretches(func(c *Copy, at, n, block int) bool {
		if !selfToo && c.self() {
			return true
		}
		mine := int32(block + 1)
		for t := range c.reads {
			w := by[t.Src]
			if w == nil {
				continue
			}
			// Only what lies in the written range can be hit.
			lo := max(t.From+at, w.base)
			hi := min(t.From+at+n, w.base+len(w.block))
			if lo >= hi {
				continue
			}
			for i, writer := range w.block[lo-w.base : hi-w.base] {
				if writer != 0 && writer != mine {
					kind := WAR
					if first.of(int(writer)-1) < first.of(block) {
						kind = RAW
					}
					if !yield(Hazard{kind, t.Src, lo + i, int(writer) - 1, block, c.Cell + lo + i - t.From}) {
						return false
					}
				}
			}
		}
		return true
	})
}

// self reports whether a copy writes each cell to itself.
func (c *Copy) self() bool { return c.Dst == c.Src && c.To == c.From && len(c.More) == 0 }

// stretches cuts the copies at the blocks' borders: cells at … at+n-1 of c are
// done by block.
func (k *Kernel) stretches(do func(c *Copy, at, n, block int) bool) {
	for i := range k.Copies {
		c := &k.Copies[i]
		for at := 0; at < c.N; {
			block := (c.Cell + at) / k.Block
			n := min(c.N, (block+1)*k.Block-c.Cell) - at
			if !do(c, at, n, block) {
				return
			}
			at += n
		}
	}
}

// destinations are the first blocks of the destinations of a kernel, which are
// written in program order.
type destinations []int

func (k *Kernel) firstBlocks() destinations {
	var d destinations
	for i, c := range k.Copies {
		if i == 0 || c.Dst != k.Copies[i-1].Dst {
			d = append(d, c.Cell/k.Block)
		}
	}
	return d
}

// of is the number of the destination that a block writes.
func (d destinations) of(block int) int {
	n := 0
	for n+1 < len(d) && d[n+1] <= block {
		n++
	}
	return n
}
