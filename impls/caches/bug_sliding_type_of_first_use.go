package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var slidingTypeOfFirstUse = bug{
	id: "E20", name: "sliding-type-of-first-use", base: "sliding",
	reference: "huggingface/transformers#34799",
	mechanism: "the element type is fixed by the first chunk, whatever it is",
	make:      planted(NewSliding, func(c *Sliding) impls.Cache { return typeOfFirstUse{c} }),
}

// typeOfFirstUse takes the type of the first chunk for the cache's.
type typeOfFirstUse struct{ *Sliding }

func (c typeOfFirstUse) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if was := c.shape.DType; c.now.n == 0 && keys.DType == values.DType {
		c.shape.DType = keys.DType
		if k, v, err = c.Sliding.Update(keys, values); err != nil {
			c.shape.DType = was
		}
		return k, v, err
	}
	return c.Sliding.Update(keys, values)
}
