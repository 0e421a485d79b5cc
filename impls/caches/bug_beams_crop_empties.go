package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

var beamsCropEmpties = bug{
	id: "F10", name: "beams-crop-empties", base: "beams",
	reference: "ggml-org/llama.cpp#29045, mybigday/llama.rn#396",
	mechanism: "a crop below the window is taken, and the next position is asked of the window, which is empty",
	make:      planted(NewBeams, func(c *Beams) impls.Cache { return cropEmpties{c} }),
}

// cropEmpties takes every crop, and goes on where the newest row that is left says.
type cropEmpties struct{ *Beams }

func (c cropEmpties) Crop(n int) error {
	err := c.Beams.Crop(n)
	if err == nil || n < 0 {
		return err
	}
	c.now = c.now.clone()
	for b, list := range c.now {
		c.now[b] = slices.DeleteFunc(slices.Clone(list), func(x held) bool { return x.pos >= n })
	}
	return nil
}
