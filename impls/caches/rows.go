package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// ready is an empty cache of a shape, which is checked first.
func ready[C interface {
	impls.Cache
	init(s impls.Shape)
}](c C, s impls.Shape) (none C, err error) {
	if err := s.Check(); err != nil {
		return none, err
	}
	c.init(s)
	c.Reset()
	return c, nil
}

// row is one token of one batch entry: its keys and its values, in each the rows
// of all heads one after the other.
type row [2][]byte

// take copies row r of batch entry b out of a chunk.
func take(keys, values *impls.Tensor, b, r int) (x row) {
	for t, from := range [...]*impls.Tensor{keys, values} {
		for h := range from.Heads {
			x[t] = append(x[t], from.Row(b*from.Heads+h, r)...)
		}
	}
	return x
}

// put writes the token to row r of batch entry b.
func (x row) put(keys, values *impls.Tensor, b, r int) {
	for t, to := range [...]*impls.Tensor{keys, values} {
		for h := range to.Heads {
			copy(to.Row(b*to.Heads+h, r), x[t][h*to.RowBytes():])
		}
	}
}

// held is a token and its position.
type held struct {
	pos int
	row row
}

// gather makes what Update returns of the tokens of each entry, and says where they
// are: entries with fewer end with empty rows, of position -1.
func gather(s impls.Shape, lists [][]held) (keys, values impls.Tensor, positions [][]int) {
	rows := 0
	for _, list := range lists {
		rows = max(rows, len(list))
	}
	keys, values = pair(s, len(lists), rows)
	for b, list := range lists {
		positions = append(positions, slices.Repeat([]int{-1}, rows))
		for r, h := range list {
			h.row.put(&keys, &values, b, r)
			positions[b][r] = h.pos
		}
	}
	return keys, values, positions
}

// move copies row r of every lane to row at of another tensor.
func move(to *impls.Tensor, at int, from *impls.Tensor, r int) {
	for lane := range to.Lanes() {
		copy(to.Row(lane, at), from.Row(lane, r))
	}
}

// pair is zeroed keys and values of another batch than the shape's.
func pair(s impls.Shape, batch, rows int) (keys, values impls.Tensor) {
	s.Batch = batch
	return impls.NewTensor(s, rows), impls.NewTensor(s, rows)
}

// oldest is the first position that the query at position p sees, also the first
// that must be held after p tokens.
func oldest(p, window int) int { return max(0, p-window+1) }

// inRing is the position of the token in each row of a ring after n tokens: the
// newest of those that share the row, -1 for none.
func inRing(n, rows int) []int {
	at := make([]int, rows)
	for r := range at {
		at[r] = -1
		if r < n {
			at[r] = n - 1 - (n-1-r)%rows
		}
	}
	return at
}
