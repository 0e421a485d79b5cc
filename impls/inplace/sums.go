package inplace

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// add adds src to dst, cell by cell: whole numbers that wrap for I32, else F32.
func add(t impls.DType, dst, src []byte) {
	for i := 0; i < len(dst); i += 4 {
		a, b := binary.LittleEndian.Uint32(dst[i:]), binary.LittleEndian.Uint32(src[i:])
		sum := a + b
		if t != impls.I32 {
			sum = math.Float32bits(math.Float32frombits(a) + math.Float32frombits(b))
		}
		binary.LittleEndian.PutUint32(dst[i:], sum)
	}
}

// maxSummands bounds how many start cells add up to one: as many whole numbers below
// 2^20 add exactly in F32, whose whole numbers are exact up to 2^24.
const maxSummands = 8

// checkSums reports the first statement that makes a cell of too many summands. A row is
// known by how many it has; a view is rows of what it views.
func (p Program) checkSums() error {
	names := map[string][]*int{}
	for _, b := range p.Buffers {
		rows := make([]*int, b.Rows)
		for i := range rows {
			one := 1
			rows[i] = &one
		}
		names[b.Name] = rows
	}
	for i, s := range p.Stmts {
		e := summands(s.Src, names)
		read := make([]int, len(e))
		for k := range e {
			read[k] = *e[k]
		}
		switch {
		case s.Form != NotReturned:
		case s.Define:
			if s.Src.Op != OpView {
				for k := range e {
					e[k] = &read[k]
				}
			}
			names[s.Dst] = e
		default:
			for k, row := range s.Rows() {
				at := names[s.Dst][row]
				if s.Add {
					read[k] += *at
				}
				*at = read[k]
			}
		}
		if most := slices.Max(append(read, 0)); most > maxSummands {
			return &StmtError{i + 1, fmt.Errorf("a cell of %d summands: want at most %d", most, maxSummands)}
		}
	}
	return nil
}

// summands are how many each row of an expression has: those of a view are shared.
func summands(e Expr, names map[string][]*int) []*int {
	if e.Op == OpView {
		return pick(names[e.Name], e.Rows())
	}
	args := make([][]*int, len(e.Args))
	for i, a := range e.Args {
		args[i] = summands(a, names)
	}
	if e.Op != OpAdd {
		return arrange(e, args)
	}
	sums := make([]*int, len(args[0]))
	for row := range sums {
		n := 0
		for _, a := range args {
			// It stops counting where the sum is refused anyway.
			n = min(n+*a[row], maxSummands+1)
		}
		sums[row] = &n
	}
	return sums
}

// pick is rows of a list.
func pick[T any](all []T, rows []int) []T {
	out := make([]T, len(rows))
	for i, row := range rows {
		out[i] = all[row]
	}
	return out
}

// arrange is the rows of an operation that neither views nor adds, from those of its
// arguments.
func arrange[T any](e Expr, args [][]T) []T {
	base := args[0]
	switch e.Op {
	case OpCat:
		return slices.Concat(args...)
	case OpRoll:
		n := len(base)
		out := make([]T, n)
		for i, r := range base {
			out[((i+e.K)%n+n)%n] = r
		}
		return out
	case OpGather:
		return pick(base, e.Index)
	case OpFlip:
		out := slices.Clone(base)
		slices.Reverse(out)
		return out
	case OpIndexCopy:
		out := slices.Clone(base)
		for i, to := range e.Index {
			out[to] = args[1][i]
		}
		return out
	}
	return base
}
