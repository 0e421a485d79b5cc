package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var beamsPaddingStored = bug{
	id: "C13", name: "beams-padding-stored", base: "beams",
	reference: "lablup/mlxcel#75",
	mechanism: "left padding makes an offset negative: the padding of a chunk counts, and its last tokens do not",
	make:      planted(NewBeams, func(c *Beams) impls.Cache { return paddingStored{c} }),
}

// paddingStored takes the first rows of a chunk for each entry, and not the last.
type paddingStored struct{ *Beams }

func (c paddingStored) UpdateEach(keys, values impls.Tensor, lengths []int) (k, v impls.Tensor, err error) {
	if err := checkEach(c.shape, len(c.now), &keys, &values, lengths); err != nil {
		return k, v, err
	}
	keys, values = keys.Clone(c.shape), values.Clone(c.shape)
	for _, x := range [...]*impls.Tensor{&keys, &values} {
		for lane := range x.Lanes() {
			length := lengths[lane/x.Heads]
			for r := length - 1; r >= 0; r-- {
				copy(x.Row(lane, x.Rows-length+r), x.Row(lane, r))
			}
		}
	}
	return c.Beams.UpdateEach(keys, values, lengths)
}
