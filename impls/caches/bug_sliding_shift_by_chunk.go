package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var slidingShiftByChunk = bug{
	id: "A3", name: "sliding-shift-by-chunk", base: "sliding",
	reference: "pytorch/pytorch#164701",
	mechanism: "rows move in place by as many as the chunk has, the last ones first: each is overwritten before it is read",
	make:      planted(NewSliding, func(c *Sliding) impls.Cache { return shiftByChunk{c} }),
}

// shiftByChunk moves the rows of a full buffer in place, for chunks of several tokens
// that are shorter than the buffer.
type shiftByChunk struct{ *Sliding }

func (c shiftByChunk) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	all, err := c.join(&keys, &values)
	if err != nil {
		return k, v, err
	}
	k, v, _ = gather(c.shape, all)
	last, q := c.shape.Window-1, keys.Rows
	for _, list := range all {
		for r := last - 1 - q; q > 1 && len(list) == last+q && r >= 0; r-- {
			list[r+q].row = list[r+q+q].row
		}
	}
	c.keep(all, last)
	return k, v, nil
}
