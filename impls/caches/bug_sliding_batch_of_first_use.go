package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var slidingBatchOfFirstUse = bug{
	id: "E21", name: "sliding-batch-of-first-use", base: "sliding",
	reference: "huggingface/transformers#42467",
	mechanism: "the batch is fixed on the first call: a chunk of a smaller one is a shape error",
	make:      planted(NewSliding, func(c *Sliding) impls.Cache { return batchOfFirstUse{c} }),
}

// batchOfFirstUse refuses chunks of another batch than the one it began with.
type batchOfFirstUse struct{ *Sliding }

func (c batchOfFirstUse) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if keys.Batch != c.shape.Batch {
		return k, v, refuse("update", "a batch of %d, it was %d", keys.Batch, c.shape.Batch)
	}
	return c.Sliding.Update(keys, values)
}
