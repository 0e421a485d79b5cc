package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var slidingReturnClamped = bug{
	id: "C1", name: "sliding-return-clamped", base: "sliding",
	reference: "lablup/mlxcel#678",
	mechanism: "what is returned is cut to W rows, as what is stored: early queries of a chunk lose their window",
	make:      planted(NewSliding, func(c *Sliding) impls.Cache { return returnClamped{c} }),
}

// returnClamped returns the newest Window rows.
type returnClamped struct{ *Sliding }

func (c returnClamped) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if k, v, err = c.Sliding.Update(keys, values); err != nil {
		return k, v, err
	}
	from := max(0, k.Rows-c.shape.Window)
	return k.Slice(from, k.Rows), v.Slice(from, v.Rows), nil
}
