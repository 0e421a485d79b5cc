package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

var beamsHitKeepsPosition = bug{
	id: "F18", name: "beams-hit-keeps-position", base: "beams",
	reference: "tenstorrent/tt-inference-server#4557",
	mechanism: "a cache hit brings the rows back and does not set the position",
	make:      planted(NewBeams, func(c *Beams) impls.Cache { return hitKeepsPosition{c} }),
}

// hitKeepsPosition restores the rows, and counts on from where it was.
type hitKeepsPosition struct{ *Beams }

func (c hitKeepsPosition) Restore(id int) error {
	was := c.now
	if err := c.Beams.Restore(id); err != nil {
		return err
	}
	for b := range min(len(was), len(c.now)) {
		list := slices.Clone(c.now[b])
		for i := range list {
			list[i].pos += count(was[b]) - count(c.now[b])
		}
		c.now[b] = slices.DeleteFunc(list, func(x held) bool { return x.pos < 0 })
	}
	return nil
}
