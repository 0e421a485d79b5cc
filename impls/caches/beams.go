package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Beams is what beam search and speculative decoding ask of a cache: a list of tokens
// for each batch entry, which is cropped, repeated and dropped for itself.
type Beams struct {
	shape impls.Shape
	snapshots[beams]
	positions [][]int
}

// beams is the newest tokens of each entry, in lists that are shared and not written to.
type beams [][]held

func (s beams) clone() beams { return slices.Clone(s) }

// NewBeams makes an empty cache.
func NewBeams(s impls.Shape) (*Beams, error) { return ready(&Beams{shape: s}, s) }

// Reset implements impls.Cache.
func (c *Beams) Reset() { c.now = make(beams, c.shape.Batch) }

// Update implements impls.Cache.
func (c *Beams) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	return c.UpdateEach(keys, values, slices.Repeat([]int{keys.Rows}, len(c.now)))
}

// UpdateEach implements impls.RaggedUpdater.
func (c *Beams) UpdateEach(keys, values impls.Tensor, lengths []int) (k, v impls.Tensor, err error) {
	if err := checkEach(c.shape, len(c.now), &keys, &values, lengths); err != nil {
		return k, v, err
	}
	w, seen := c.shape.Window, make([][]held, len(lengths))
	for b, length := range lengths {
		all := slices.Concat(c.now[b], takeLast(&keys, &values, b, length, count(c.now[b])))
		seen[b] = newest(all, w-1+length)
		c.now[b] = newest(all, 2*w) // more than the next query sees, for crops
	}
	k, v, c.positions = gather(c.shape, seen)
	return k, v, nil
}

// Positions implements impls.Positioner.
func (c *Beams) Positions() [][]int { return c.positions }

// Select implements impls.Selector.
func (c *Beams) Select(entries []int) error {
	err := checkSelect(entries, len(c.now))
	if err == nil {
		c.now = choose(c.now, entries)
	}
	return err
}

// Crop implements impls.Cropper.
func (c *Beams) Crop(n int) error { return c.CropEach(slices.Repeat([]int{n}, len(c.now))) }

// CropEach implements impls.RaggedCropper. It refuses what needs tokens that are gone.
func (c *Beams) CropEach(lengths []int) error {
	if err := checkCrop(lengths, len(c.now)); err != nil {
		return err
	}
	cropped := c.now.clone()
	for b, list := range c.now {
		n := min(lengths[b], count(list))
		left := len(list) - count(list) + n
		if left < min(n, c.shape.Window) {
			return refuse("crop", "entry %d to %d of %d tokens: too many are gone", b, n, count(list))
		}
		cropped[b] = list[:left]
	}
	c.now = cropped
	return nil
}
