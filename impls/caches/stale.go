package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// staleCells takes tokens that are written anew for stored: where a position was
// written before, the old row stays.
type staleCells struct {
	*Cells
	stale map[[2]int]row // by entry and position
}

// leave notes the tokens from position n on.
func (c *staleCells) leave(n int) {
	if c.stale == nil {
		c.stale = map[[2]int]row{}
	}
	for at, x := range c.cells {
		if b := c.owner[at]; b >= 0 && x.pos >= n {
			c.stale[[2]int{b, x.pos}] = x.row
		}
	}
}

func (c *staleCells) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	n := c.n
	if k, v, err = c.Cells.Update(keys, values); err != nil {
		return k, v, err
	}
	for at, x := range c.cells {
		where := [2]int{c.owner[at], x.pos}
		if old, ok := c.stale[where]; ok && x.pos >= n {
			c.cells[at].row = old
			delete(c.stale, where)
		}
	}
	k, v, c.positions = gather(c.shape, slices.Repeat([][]held{c.cells}, c.shape.Batch))
	return k, v, nil
}
