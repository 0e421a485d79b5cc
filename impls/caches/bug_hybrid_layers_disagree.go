package caches

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

var hybridLayersDisagree = bug{
	id: "G4", name: "hybrid-layers-disagree", base: "hybrid",
	reference: "vllm-project/vllm#51756, vllm-project/vllm-ascend#11791, ml-explore/mlx-lm#1494",
	mechanism: "a crop is granted by the layers without a window; those with one have evicted what it needs",
	make:      planted(NewHybrid, func(c *Hybrid) impls.Cache { return layersDisagree{c} }),
}

// layersDisagree grants a crop if the layers without a window can do it.
type layersDisagree struct{ *Hybrid }

func (c layersDisagree) Crop(n int) error {
	if err := c.Hybrid.Crop(n); err == nil || n < 0 {
		return err
	}
	for _, l := range c.layers {
		for b, list := range l.now {
			l.now[b] = slices.DeleteFunc(slices.Clone(list), func(x held) bool { return x.pos >= n })
		}
	}
	return nil
}
