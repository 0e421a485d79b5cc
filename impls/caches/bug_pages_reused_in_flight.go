package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var pagesReusedInFlight = bug{
	id: "A17", name: "pages-reused-in-flight", base: "pages",
	reference: "vllm-project/vllm#47653",
	mechanism: "a page that left the window is written anew while a query in flight still reads it",
	make:      planted(NewPages, func(c *Pages) impls.Cache { return reusedInFlight{c} }),
}

// reusedInFlight gives the pages that the last query of a chunk does not see to its
// tokens, before the first query has read them.
type reusedInFlight struct{ *Pages }

func (c reusedInFlight) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	n, q := c.n, keys.Rows
	if err := checkChunk(c.shape, len(c.table), &keys, &values); err != nil || q == 0 {
		return c.Pages.Update(keys, values)
	}
	for b, list := range c.table {
		chunk := takeLast(&keys, &values, b, q, n)
		for at := oldest(n, c.shape.Window) / pageRows; at < min(len(list), oldest(n+q-1, c.shape.Window)/pageRows); at++ {
			used := *list[at] // forked entries share the page, and copy it
			for r := range used.rows {
				used.rows[r] = chunk[min(r, q-1)]
			}
			list[at] = &used
		}
	}
	return c.Pages.Update(keys, values)
}
