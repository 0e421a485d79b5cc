package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var rotatingTrimMovesIndex = bug{
	id: "D1", name: "rotating-trim-moves-index", base: "rotating",
	reference: "ml-explore/mlx-lm#1776, ml-explore/mlx-swift-lm#584",
	mechanism: "a trim of a ring that went round only moves the index back: the rows of rejected drafts stay live",
	make:      planted(NewRotating, func(c *Rotating) impls.Cache { return trimMovesIndex{c} }),
}

// trimMovesIndex counts less tokens after a crop and leaves the rows.
type trimMovesIndex struct{ *Rotating }

func (c trimMovesIndex) Crop(n int) error {
	cut, w := c.n-n, c.shape.Window
	if n < 0 || cut <= 0 || c.n <= w || cut > w || len(c.rows[0]) != w {
		return c.Rotating.Crop(n)
	}
	c.n, c.next = n, (c.next-cut+w)%w
	return nil
}
