package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

var ringStartOfShortPrefill = bug{
	id: "B5", name: "ring-start-of-short-prefill", base: "ring",
	reference: "huggingface/transformers#47708",
	mechanism: "the start of the ring is reckoned as if the prefill had filled it but for one row",
	make:      planted(plainRing, func(c *Ring) impls.Cache { return &startOfShortPrefill{Ring: c} }),
}

// startOfShortPrefill says the positions of a ring whose first chunk had Window-1
// tokens, once it goes round.
type startOfShortPrefill struct {
	*Ring
	prefill int
}

func (c *startOfShortPrefill) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	n := c.n
	if k, v, err = c.Ring.Update(keys, values); err == nil && n == 0 {
		c.prefill = keys.Rows
	}
	return k, v, err
}

func (c *startOfShortPrefill) Positions() [][]int {
	at, w := c.Ring.Positions(), c.shape.Window
	if by := w - 1 - c.prefill; by > 0 && c.n > w {
		list := at[0]
		at[0] = slices.Concat(list[w-by:], list[:w-by])
	}
	return at
}
