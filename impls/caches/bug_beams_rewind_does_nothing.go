package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var beamsRewindDoesNothing = bug{
	id: "F17", name: "beams-rewind-does-nothing", base: "beams",
	reference: "microsoft/onnxruntime-genai#2140",
	mechanism: "a rewind does nothing, and says that it did",
	make:      planted(NewBeams, func(c *Beams) impls.Cache { return rewindDoesNothing{c} }),
}

// rewindDoesNothing takes a crop that it could do, and leaves it.
type rewindDoesNothing struct{ *Beams }

func (c rewindDoesNothing) Crop(n int) error {
	was := c.now
	err := c.Beams.Crop(n)
	c.now = was
	return err
}
