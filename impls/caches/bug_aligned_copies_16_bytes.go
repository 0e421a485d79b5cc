package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var alignedCopies16Bytes = bug{
	id: "F5", name: "aligned-copies-16-bytes", base: "aligned",
	reference: "kekzl/imp#1344, sparkinfer#425",
	mechanism: "a copy sized for rows of 16 bytes loses the rest of a longer row",
	make:      planted(NewAligned, func(c *Aligned) impls.Cache { return copies16Bytes{c} }),
}

// copies16Bytes loses what comes after the first 16 bytes of a row.
type copies16Bytes struct{ *Aligned }

func (c copies16Bytes) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	keys, values = keys.Clone(c.shape), values.Clone(c.shape)
	for _, x := range [...]*impls.Tensor{&keys, &values} {
		for lane := range x.Lanes() {
			for r := range x.Rows {
				clear(x.Row(lane, r)[min(16, x.RowBytes()):])
			}
		}
	}
	return c.Aligned.Update(keys, values)
}
