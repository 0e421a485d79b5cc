package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var rotatingLosesLast = bug{
	id: "F16", name: "rotating-loses-last", base: "rotating",
	reference: "microsoft/onnxruntime-genai#1110",
	mechanism: "the last token that was generated is missing before a chunk",
	make:      planted(NewRotating, func(c *Rotating) impls.Cache { return losesLast{c} }),
}

// losesLast drops the newest row before a chunk of several tokens.
type losesLast struct{ *Rotating }

func (c losesLast) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if err := checkChunk(c.shape, c.shape.Batch, &keys, &values); err != nil {
		return k, v, err
	}
	if keys.Rows > 1 {
		c.inOrder()
		for b, list := range c.rows {
			c.rows[b] = list[:max(0, len(list)-1)]
		}
	}
	return c.Rotating.Update(keys, values)
}
