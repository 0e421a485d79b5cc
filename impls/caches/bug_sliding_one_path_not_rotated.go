package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

var slidingOnePathNotRotated = bug{
	id: "F13", name: "sliding-one-path-not-rotated", base: "sliding",
	reference: "ggml-org/llama.cpp#25823",
	mechanism: "rows are rotated where they are written and back where they are read; one path of writing leaves that out",
	make:      planted(NewSliding, func(c *Sliding) impls.Cache { return onePathNotRotated{c} }),
}

// onePathNotRotated undoes a rotation of rows that single tokens never had.
type onePathNotRotated struct{ *Sliding }

func (c onePathNotRotated) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if k, v, err = c.Sliding.Update(keys, values); err != nil || keys.Rows != 1 {
		return k, v, err
	}
	for _, list := range c.now.rows {
		if last := len(list) - 1; last >= 0 {
			x := &list[last].row[0]
			*x = slices.Concat((*x)[len(*x)-1:], (*x)[:len(*x)-1])
		}
	}
	return k, v, nil
}
