package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var beamsSecondCropWins = bug{
	id: "E28", name: "beams-second-crop-wins", base: "beams",
	reference: "ggml-org/llama.cpp#3825",
	mechanism: "a shift is only noted until the next update, and a second one overwrites the first",
	make:      planted(NewBeams, func(c *Beams) impls.Cache { return &secondCropWins{Beams: c, noted: -1} }),
}

// secondCropWins crops when the next operation comes, to what the last crop said.
type secondCropWins struct {
	*Beams
	noted int // -1 for none
}

func (c *secondCropWins) Reset() {
	c.Beams.Reset()
	c.noted = -1
}

func (c *secondCropWins) Crop(n int) error {
	was := c.now
	err := c.Beams.Crop(n)
	if c.now = was; err == nil {
		c.noted = n
	}
	return err
}

// apply does the crop that was noted.
func (c *secondCropWins) apply() {
	if c.noted >= 0 && c.Beams.Crop(c.noted) == nil {
		c.noted = -1
	}
}

func (c *secondCropWins) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	c.apply()
	return c.Beams.Update(keys, values)
}

func (c *secondCropWins) UpdateEach(keys, values impls.Tensor, lengths []int) (k, v impls.Tensor, err error) {
	c.apply()
	return c.Beams.UpdateEach(keys, values, lengths)
}

func (c *secondCropWins) CropEach(lengths []int) error {
	c.apply()
	return c.Beams.CropEach(lengths)
}

func (c *secondCropWins) Select(entries []int) error {
	c.apply()
	return c.Beams.Select(entries)
}

func (c *secondCropWins) Snapshot(id int) error {
	c.apply()
	return c.Beams.Snapshot(id)
}

func (c *secondCropWins) Restore(id int) error {
	c.apply()
	return c.Beams.Restore(id)
}
