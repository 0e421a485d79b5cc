package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var slidingCopiesWords = bug{
	id: "F14", name: "sliding-copies-words", base: "sliding",
	reference: "LMCache/LMCache#2309",
	mechanism: "whole words of 8 bytes are copied, the tail of a row is lost",
	make:      planted(NewSliding, func(c *Sliding) impls.Cache { return copiesWords{c} }),
}

// copiesWords loses the bytes of a row behind its last whole word of 8.
type copiesWords struct{ *Sliding }

func (c copiesWords) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	keys, values = keys.Clone(c.shape), values.Clone(c.shape)
	for _, x := range [...]*impls.Tensor{&keys, &values} {
		for lane := range x.Lanes() {
			for r := range x.Rows {
				clear(x.Row(lane, r)[x.RowBytes()/8*8:])
			}
		}
	}
	return c.Sliding.Update(keys, values)
}
