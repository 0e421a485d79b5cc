package caches

import "slices"

// layers is what all layers hold of a batch whose entries have n tokens each. In the
// middle of a chunk, of q tokens, it is the turn of layer next.
type layers struct {
	batch, n, q, next int
	rows              [][][]row // layer, entry: the tokens from position first[layer] on
	first             []int
}

func (s layers) clone() layers {
	s.rows, s.first = slices.Clone(s.rows), slices.Clone(s.first)
	for l := range s.rows {
		s.rows[l] = slices.Clone(s.rows[l])
		for b := range s.rows[l] {
			s.rows[l][b] = slices.Clone(s.rows[l][b])
		}
	}
	return s
}

func (layers) drop() {}

// evict forgets the tokens of a layer before a position.
func (s *layers) evict(layer, lo int) {
	if lo <= s.first[layer] {
		return
	}
	for b, list := range s.rows[layer] {
		s.rows[layer][b] = slices.Clone(list[lo-s.first[layer]:])
	}
	s.first[layer] = lo
}

// Select implements impls.Selector.
func (c *Hybrid) Select(entries []int) error {
	s := &c.now
	if err := checkSelect(entries, s.batch); err != nil {
		return err
	}
	if err := c.checkTurn("select"); err != nil {
		return err
	}
	old := *s
	*s = old.clone()
	s.batch = len(entries)
	for l := range s.rows {
		s.rows[l] = choose(old.rows[l], entries)
		if c.bug == windowsStay && c.layers[l] > 0 {
			copy(s.rows[l], old.rows[l])
		}
	}
	*s = s.clone()
	return nil
}

// Crop implements impls.Cropper. It refuses what needs tokens that a layer no longer
// holds.
func (c *Hybrid) Crop(n int) error {
	s := &c.now
	if err := c.checkTurn("crop"); err != nil {
		return err
	}
	if n < 0 {
		return refuse("crop", "to %d tokens", n)
	}
	if n >= s.n {
		return nil
	}
	for l, w := range c.layers {
		if w > 0 && oldest(n, w) < s.first[l] && c.bug != layersDisagree {
			return refuse("crop", "to %d of %d tokens: layer %d holds those from %d on", n, s.n, l, s.first[l])
		}
	}
	for l := range s.rows {
		s.first[l] = min(s.first[l], n)
		for b, list := range s.rows[l] {
			s.rows[l][b] = list[:min(len(list), n-s.first[l])]
		}
	}
	s.n = n
	return nil
}

// Snapshot implements impls.Snapshotter.
func (c *Hybrid) Snapshot(id int) error {
	if err := c.checkTurn("snapshot"); err != nil {
		return err
	}
	return c.snapshots.Snapshot(id)
}

// checkTurn refuses what is of all layers in the middle of a chunk.
func (c *Hybrid) checkTurn(op string) error {
	if c.now.next != 0 {
		return refuse(op, "in the middle of a chunk: layer %d has not had its part", c.now.next)
	}
	return nil
}
