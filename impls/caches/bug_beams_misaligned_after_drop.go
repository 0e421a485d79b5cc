package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

var beamsMisalignedAfterDrop = bug{
	id: "G2", name: "beams-misaligned-after-drop", base: "beams",
	reference: "jundot/omlx#2172, Blaizzy/mlx-vlm#1889",
	mechanism: "entries are dropped and the lengths of the others are taken from the old places",
	make:      planted(NewBeams, func(c *Beams) impls.Cache { return beamsDropMisaligns{c} }),
}

// beamsDropMisaligns leaves the lengths in their places when entries are dropped: the
// tokens of those that stay move to other positions.
type beamsDropMisaligns struct{ *Beams }

func (c beamsDropMisaligns) Select(entries []int) error {
	old := c.now
	if err := c.Beams.Select(entries); err != nil || len(c.now) >= len(old) {
		return err
	}
	for b := range c.now {
		list := slices.Clone(c.now[b])
		for i := range list {
			list[i].pos += count(old[b]) - count(c.now[b])
		}
		c.now[b] = slices.DeleteFunc(list, func(x held) bool { return x.pos < 0 })
	}
	return nil
}
