package caches

import "github.com/slidefuzz/slidefuzz/impls"

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

// put writes the token to row r of batch entry b.
func (x row) put(keys, values *impls.Tensor, b, r int) {
	for t, to := range [...]*impls.Tensor{keys, values} {
		for h := range to.Heads {
			copy(to.Row(b*to.Heads+h, r), x[t][h*to.RowBytes():])
		}
	}
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

// state is what snapshots are taken of. A clone shares nothing that is written to;
// drop gives back what a state that is not needed any more holds of others' memory.
type state[S any] interface {
	clone() S
	drop()
}

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
	if was, ok := s.saved[id]; ok {
		was.drop()
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
	s.now.drop()
	s.now = was.clone()
	return nil
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

// choose is a list's items by number.
func choose[T any](from []T, numbers []int) []T {
	var list []T
	for _, i := range numbers {
		list = append(list, from[i])
	}
	return list
}
