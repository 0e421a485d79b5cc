package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// ready is an empty cache of a shape, which is checked first.
func ready[C impls.Cache](c C, s impls.Shape) (none C, err error) {
	if err := s.Check(); err != nil {
		return none, err
	}
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

// held is a token that a cache holds, and its position.
type held struct {
	pos int
	row row
}

// count is how many tokens an entry has had whose newest are listed.
func count(list []held) int {
	if len(list) == 0 {
		return 0
	}
	return list[len(list)-1].pos + 1
}

// takeLast copies the last rows of batch entry b, as many as length, which are the
// tokens from position n on.
func takeLast(keys, values *impls.Tensor, b, length, n int) []held {
	list := make([]held, length)
	for i := range list {
		list[i] = held{n + i, take(keys, values, b, keys.Rows-length+i)}
	}
	return list
}

// gather is the keys, values and positions of a list of tokens for each batch entry.
// Behind a list that is shorter than the longest come empty rows.
func gather(s impls.Shape, lists [][]held) (keys, values impls.Tensor, positions [][]int) {
	rows := 0
	for _, list := range lists {
		rows = max(rows, len(list))
	}
	keys, values = pair(s, len(lists), rows)
	for b, list := range lists {
		positions = append(positions, slices.Repeat([]int{-1}, rows))
		for r, x := range list {
			positions[b][r] = x.pos
			for h := range s.Heads {
				copy(keys.Row(b*s.Heads+h, r), x.row[0][h*s.RowBytes():])
				copy(values.Row(b*s.Heads+h, r), x.row[1][h*s.RowBytes():])
			}
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

// state is what snapshots are taken of. A clone shares nothing that is written to.
type state[S any] interface{ clone() S }

// snapshots is the state of the moment, and what was saved of it.
type snapshots[S state[S]] struct {
	now   S
	saved map[int]S
}

// Snapshot implements impls.Snapshotter.
func (s *snapshots[S]) Snapshot(id int) error {
	if s.saved == nil {
		s.saved = map[int]S{}
	}
	s.saved[id] = s.now.clone()
	return nil
}

// Restore implements impls.Snapshotter.
func (s *snapshots[S]) Restore(id int) error {
	was, ok := s.saved[id]
	if !ok {
		return refuse("restore", "no snapshot %d", id)
	}
	s.now = was.clone()
	return nil
}

// oldest is the first position that the query at position p sees, also the first
// that must be held after p tokens.
func oldest(p, window int) int { return max(0, p-window+1) }

// newest is the last items of a list, n of them at most.
func newest[T any](list []T, n int) []T { return list[max(0, len(list)-n):] }

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

// choose is a list's items by number.
func choose[T any](from []T, numbers []int) []T {
	var list []T
	for _, i := range numbers {
		list = append(list, from[i])
	}
	return list
}
