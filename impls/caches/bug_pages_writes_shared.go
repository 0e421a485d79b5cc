package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var pagesWritesShared = bug{
	id: "", name: "pages-writes-shared", base: "pages",
	reference: "nod-ai/amd-shark-ai#2276",
	mechanism: "copy-on-write is forgotten: entries that share a page see each other's tokens",
	make:      planted(NewPages, func(c *Pages) impls.Cache { return writesShared{c} }),
}

// writesShared writes to the last page of an entry though it is shared.
type writesShared struct{ *Pages }

func (c writesShared) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	for _, list := range c.table {
		if last := len(list) - 1; last >= 0 && list[last] != nil {
			list[last].shared = false
		}
	}
	return c.Pages.Update(keys, values)
}
