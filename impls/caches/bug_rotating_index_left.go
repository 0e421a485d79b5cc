package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

var rotatingIndexLeft = bug{
	id: "D9", name: "rotating-index-left", base: "rotating",
	reference: "Blaizzy/mlx-vlm#1715",
	mechanism: "a prefix is used again: the offset is set and the index of the next write is left",
	make:      planted(NewRotating, func(c *Rotating) impls.Cache { return indexLeft{c} }),
}

// indexLeft empties the rows that a crop cuts off, and writes on where it was.
type indexLeft struct{ *Rotating }

func (c indexLeft) Crop(n int) error {
	next, w := c.next, c.shape.Window
	if c.n <= w || len(c.rows[0]) != w || n >= c.n {
		return c.Rotating.Crop(n)
	}
	was := slices.Clone(c.rows)
	if err := c.Rotating.Crop(n); err != nil {
		return err
	}
	zeros := make([]byte, c.shape.Heads*c.shape.RowBytes())
	for b, list := range was {
		c.rows[b] = slices.Clone(list)
		for i := range list {
			if list[i].pos >= n {
				c.rows[b][i] = held{-1, row{zeros, zeros}}
			}
		}
	}
	c.next = next
	return nil
}
