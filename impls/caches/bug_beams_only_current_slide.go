package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var beamsOnlyCurrentSlide = bug{
	id: "C10", name: "beams-only-current-slide", base: "beams",
	reference: "ollama/ollama#10127",
	mechanism: "only sequences of the current batch slide: the others fill the cache, which is then full",
	make:      planted(NewBeams, func(c *Beams) impls.Cache { return &onlyCurrentSlide{Beams: c} }),
}

// onlyCurrentSlide has room for what all entries need, and evicts from those alone that
// a chunk has tokens for.
type onlyCurrentSlide struct {
	*Beams
	used []int // rows, by entry
}

func (c *onlyCurrentSlide) UpdateEach(keys, values impls.Tensor, lengths []int) (k, v impls.Tensor, err error) {
	if err := checkEach(c.shape, len(c.now), &keys, &values, lengths); err != nil {
		return k, v, err
	}
	if len(c.used) != len(lengths) {
		c.used = make([]int, len(lengths))
	}
	used, room := 0, 0
	for b, q := range lengths {
		if q > 0 {
			c.used[b] = min(c.used[b], c.shape.Window-1) + q
		}
		used += c.used[b]
		room += c.shape.Window - 1 + q
	}
	if used > room && keys.Rows > 0 {
		return k, v, refuse("update", "the cache is full: %d rows of %d are used", used, room)
	}
	return c.Beams.UpdateEach(keys, values, lengths)
}

func (c *onlyCurrentSlide) Reset() {
	c.Beams.Reset()
	c.used = nil
}
