package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var pagesFrontierRoundedUp = bug{
	id: "F8", name: "pages-frontier-rounded-up", base: "pages",
	reference: "sgl-project/sglang#22470, sgl-project/sglang#29860",
	mechanism: "the frontier of eviction is rounded up to a page, which may be larger than the window",
	make:      planted(NewPages, func(c *Pages) impls.Cache { return frontierRoundedUp{c} }),
}

// frontierRoundedUp empties the page in which the window of the next query begins.
type frontierRoundedUp struct{ *Pages }

func (c frontierRoundedUp) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if k, v, err = c.Pages.Update(keys, values); err != nil {
		return k, v, err
	}
	if lo := oldest(c.n, c.shape.Window); lo%pageRows > 0 {
		zeros := make([]byte, keys.Heads*keys.RowBytes())
		for _, list := range c.table {
			freed := &page{}
			for r := range freed.rows {
				freed.rows[r].row = row{zeros, zeros}
			}
			if at := lo / pageRows; at < len(list) {
				list[at] = freed
			}
		}
	}
	return k, v, nil
}
