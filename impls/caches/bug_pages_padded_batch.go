package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var pagesPaddedBatch = bug{
	id: "F6", name: "pages-padded-batch", base: "pages",
	reference: "m0at/rvllm#32, vllm-project/vllm#39444, sgl-project/sglang#36207",
	mechanism: "the batch is padded to a power of two, and the padding writes to a live page",
	make:      planted(NewPages, func(c *Pages) impls.Cache { return paddedBatch{c} }),
}

// paddedBatch writes a row of zeros for the entries that fill the batch up to a
// power of two. They have no page of their own, and the first page is somebody's.
type paddedBatch struct{ *Pages }

func (c paddedBatch) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if k, v, err = c.Pages.Update(keys, values); err != nil || keys.Batch&(keys.Batch-1) == 0 {
		return k, v, err
	}
	if list := c.table[0]; len(list) > 0 && list[0] != nil {
		zeros := make([]byte, keys.Heads*keys.RowBytes())
		list[0].rows[0].row = row{zeros, zeros}
	}
	return k, v, nil
}
