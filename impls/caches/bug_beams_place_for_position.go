package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var beamsPlaceForPosition = bug{
	id: "F15", name: "beams-place-for-position", base: "beams",
	reference: "huggingface/transformers#35350, rajveer43/VeloxQuant-MLX#389",
	mechanism: "the place among the rows that are kept is taken for the position",
	make:      planted(NewBeams, func(c *Beams) impls.Cache { return placeForPosition{c} }),
}

// placeForPosition numbers the rows that are there.
type placeForPosition struct{ *Beams }

func (c placeForPosition) Positions() [][]int {
	for _, list := range c.positions {
		for r, p := range list {
			if p >= 0 {
				list[r] = r
			}
		}
	}
	return c.positions
}
