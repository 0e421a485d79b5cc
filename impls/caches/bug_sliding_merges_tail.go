package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

var slidingMergesTail = bug{
	id: "F12", name: "sliding-merges-tail", base: "sliding",
	reference: "ml-explore/mlx-lm#1116, jundot/omlx#543",
	mechanism: "a merge of sequences takes the tail of what is allocated, not of what is written",
	make:      planted(NewSliding, func(c *Sliding) impls.Cache { return mergesTail{c} }),
}

// allocated is what the rows of an entry are allocated in multiples of.
const allocated = 4

// mergesTail takes the last rows of each allocation when entries are selected, empty
// ones among them.
type mergesTail struct{ *Sliding }

func (c mergesTail) Select(entries []int) error {
	err := c.Sliding.Select(entries)
	if err != nil {
		return err
	}
	zeros := make([]byte, c.shape.Heads*c.shape.RowBytes())
	for b, list := range c.now.rows {
		n := len(list)
		list = slices.Clone(list)
		for len(list)%allocated > 0 {
			list = append(list, held{-1, row{zeros, zeros}})
		}
		c.now.rows[b] = newest(list, n)
	}
	return nil
}
