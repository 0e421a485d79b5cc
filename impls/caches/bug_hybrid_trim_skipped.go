package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var hybridTrimSkipped = bug{
	id: "D2", name: "hybrid-trim-skipped", base: "hybrid",
	reference: "ml-explore/mlx-swift-lm#424",
	mechanism: "one layer that cannot be trimmed makes all skip it, silently",
	make:      planted(NewHybrid, func(c *Hybrid) impls.Cache { return trimSkipped{c} }),
}

// trimSkipped says of a crop that was refused that it was done.
type trimSkipped struct{ *Hybrid }

func (c trimSkipped) Crop(n int) error {
	err := c.Hybrid.Crop(n)
	if n >= 0 {
		return nil
	}
	return err
}
