package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var slidingCountsPadding = bug{
	id: "C12", name: "sliding-counts-padding", base: "sliding",
	reference: "cactus-compute/cactus#716",
	mechanism: "the padded tail of a chunk is counted as appended, and evicts tokens",
	make:      planted(NewSliding, func(c *Sliding) impls.Cache { return countsPadding{c} }),
}

// paddedTo is what the rows of a chunk are padded to a multiple of.
const paddedTo = 4

// countsPadding keeps the zeros behind a chunk of several tokens.
type countsPadding struct{ *Sliding }

func (c countsPadding) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	all, err := c.join(&keys, &values)
	if err != nil {
		return k, v, err
	}
	k, v, _ = gather(c.shape, all)
	zeros := make([]byte, c.shape.Heads*c.shape.RowBytes())
	for b := range all {
		for q := keys.Rows; q > 1 && q%paddedTo > 0; q++ {
			all[b] = append(all[b], held{-1, row{zeros, zeros}})
		}
	}
	c.keep(all, c.shape.Window-1)
	return k, v, nil
}
