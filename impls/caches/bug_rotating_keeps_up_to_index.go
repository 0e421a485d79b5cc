package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var rotatingKeepsUpToIndex = bug{
	id: "B7", name: "rotating-keeps-up-to-index", base: "rotating",
	reference: "ollama/ollama#15591",
	mechanism: "a chunk in mid-rotation keeps only the rows before the index",
	make:      planted(NewRotating, func(c *Rotating) impls.Cache { return keepsUpToIndex{c} }),
}

// keepsUpToIndex drops the rows behind the index, the older ones, where several tokens
// come.
type keepsUpToIndex struct{ *Rotating }

func (c keepsUpToIndex) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if err := checkChunk(c.shape, c.shape.Batch, &keys, &values); err != nil {
		return k, v, err
	}
	if keys.Rows > 1 && c.next > 0 {
		for b, list := range c.rows {
			c.rows[b] = list[:c.next]
		}
		c.next = 0
	}
	return c.Rotating.Update(keys, values)
}
