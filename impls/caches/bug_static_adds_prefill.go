package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var staticAddsPrefill = bug{
	id: "B3", name: "static-adds-prefill", base: "static",
	reference: "huggingface/transformers#37370",
	mechanism: "a long prefill is added to the rows, which are taken for zeros",
	make:      planted(NewStatic, func(c *Static) impls.Cache { return addsPrefill{c} }),
}

// addsPrefill adds the rows of a chunk longer than the window to what they replace.
type addsPrefill struct{ *Static }

func (c addsPrefill) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	was := [...]impls.Tensor{c.keys.Clone(c.shape), c.values.Clone(c.shape)}
	if k, v, err = c.Static.Update(keys, values); err != nil || keys.Rows <= c.shape.Window {
		return k, v, err
	}
	for t, x := range [...]*impls.Tensor{&c.keys, &c.values} {
		for i, old := range was[t].Data {
			x.Data[i] += old
		}
	}
	return k, v, nil
}
