package inplace

import "github.com/slidefuzz/slidefuzz/impls"

// move is n rows of a storage, from row to on, which take those from row from on of
// another, in every lane.
type move struct {
	dst, src         int32
	to, from, n      int32
	toRows, fromRows int32 // of the two storages
}

// Moves are all kernels of a lowered program as Sim does them in ascending order: in rows,
// for caches of any lanes, dim, element type and layout. Plans say the same for one shape,
// cell by cell; those of the many shapes that are drawn do not fit into a processor's
// cache, and compiling them and waiting for them took longer than most steps.
type Moves []move

// Moves is nil where a kernel has to read before it writes, adds, or exchanges rows and
// elements: then its blocks have to be run one by one.
func (low *Lowered) Moves() Moves {
	if len(low.transposed) > 0 {
		return nil
	}
	moves := Moves{}
	// In one lane of rows of one cell, cells are rows. Rows of a lane are read and written
	// in the same lane alone, and whole, so that kernels are disjoint in every shape if they
	// are in this one.
	for _, k := range low.Compile(impls.Shape{Batch: 1, Heads: 1, Window: 1, Dim: 1}, 1).Kernels {
		if !k.disjoint || k.adds {
			return nil
		}
		for i := range k.Copies {
			c := &k.Copies[i]
			moves = append(moves, move{
				dst: int32(c.Dst), src: int32(c.Src), to: int32(c.To), from: int32(c.From), n: int32(c.N),
				toRows: int32(low.rows[c.Dst]), fromRows: int32(low.rows[c.Src]),
			})
		}
	}
	return moves
}

// RunMoves runs all kernels of a lowered program in ascending order, as Run would each of
// those that it has for a shape.
func (d *Sim) RunMoves(moves Moves, s *impls.Shape, mem [][]byte) {
	lanes, row := s.Lanes(), s.RowBytes()
	if s.Layout == impls.TokensFirst { // a row of all lanes lies together
		lanes, row = 1, lanes*row
	}
	for i := range moves {
		m := &moves[i]
		dst, src := mem[m.dst], mem[m.src]
		to, from, n := int(m.to)*row, int(m.from)*row, int(m.n)*row
		toStep, fromStep := int(m.toRows)*row, int(m.fromRows)*row
		if n == toStep && n == fromStep { // so do whole lanes
			copy(dst[:n*lanes], src[:n*lanes])
			continue
		}
		for range lanes {
			copy(dst[to:to+n], src[from:from+n])
			to, from = to+toStep, from+fromStep
		}
	}
}
