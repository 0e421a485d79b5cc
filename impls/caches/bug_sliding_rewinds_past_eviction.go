package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

var slidingRewindsPastEviction = bug{
	id: "D8", name: "sliding-rewinds-past-eviction", base: "sliding",
	reference: "microsoft/onnxruntime-genai#2334",
	mechanism: "a rewind below the evicted position is allowed",
	make:      planted(NewSliding, func(c *Sliding) impls.Cache { return rewindsPastEviction{c} }),
}

// rewindsPastEviction takes every crop.
type rewindsPastEviction struct{ *Sliding }

func (c rewindsPastEviction) Crop(n int) error {
	err := c.Sliding.Crop(n)
	if cut := c.now.n - n; err != nil && n >= 0 {
		c.now = sliding{n, slices.Clone(c.now.rows)}
		for b, list := range c.now.rows {
			c.now.rows[b] = list[:max(0, len(list)-cut)]
		}
		return nil
	}
	return err
}
