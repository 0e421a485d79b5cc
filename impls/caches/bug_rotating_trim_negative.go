package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var rotatingTrimNegative = bug{
	id: "F11", name: "rotating-trim-negative", base: "rotating",
	reference: "ml-explore/mlx-lm#1528",
	mechanism: "a trim by a negative count makes the length grow",
	make:      planted(NewRotating, func(c *Rotating) impls.Cache { return trimNegative{c} }),
}

// trimNegative sets the length that a crop asks for, a larger one too.
type trimNegative struct{ *Rotating }

func (c trimNegative) Crop(n int) error {
	err := c.Rotating.Crop(n)
	if err == nil {
		c.n = n
	}
	return err
}
