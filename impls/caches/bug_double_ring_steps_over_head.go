package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var doubleRingStepsOverHead = bug{
	id: "E18", name: "double-ring-steps-over-head", base: "double-ring",
	reference: "tenstorrent/tt-metal#54742",
	mechanism: "a pointer is stepped on past the end of a head, into the rows of the next",
	make:      planted(NewDoubleRing, func(c *DoubleRing) impls.Cache { return stepsOverHead{c} }),
}

// stepsOverHead writes what crosses the end of a lane to the first rows of the next
// lane, and to none of the last.
type stepsOverHead struct{ *DoubleRing }

func (c stepsOverHead) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	n, rows := c.n, c.keys.Rows
	was := [...]impls.Tensor{c.keys.Clone(c.shape), c.values.Clone(c.shape)}
	if k, v, err = c.DoubleRing.Update(keys, values); err != nil {
		return k, v, err
	}
	for t, x := range [...]*impls.Tensor{&c.keys, &c.values} {
		for r := range n%rows + keys.Rows - rows {
			for lane := x.Lanes() - 1; lane > 0; lane-- {
				copy(x.Row(lane, r), x.Row(lane-1, r))
			}
			copy(x.Row(0, r), was[t].Row(0, r))
		}
	}
	return k, v, nil
}
