package reference

var windowPlusOne = fault{
	Fault: Fault{
		Name: "window-plus-one", ID: "E1", Reference: "huggingface/transformers#26792, vllm-project/vllm#3385", Visible: true,
		Mechanism: "the window is one token too wide, in the mask and in the cache",
	},
	plant: func() hooks {
		return hooks{window: func(c *config, layer int) int {
			if w := c.windowOf(layer); w > 0 {
				return w + 1
			}
			return 0
		}}
	},
}

var windowOnFull = fault{
	Fault: Fault{
		Name: "window-on-full", ID: "E8", Reference: "ggml-org/llama.cpp#15811", Visible: true,
		Mechanism: "the window is applied to the full layers too",
	},
	plant: func() hooks { return hooks{window: func(c *config, _ int) int { return c.window }} },
}

var layersSwapped = fault{
	Fault: Fault{
		Name: "layers-swapped", ID: "E7", Reference: "huggingface/transformers#31775", Visible: true,
		Mechanism: "sliding layers are taken for full ones, and the other way round",
	},
	plant: func() hooks {
		return hooks{window: func(c *config, layer int) int {
			if c.windowOf(layer) > 0 {
				return 0
			}
			return c.window
		}}
	},
}

var earlyQueries = fault{
	Fault: Fault{
		Name: "early-queries-see-ahead", ID: "B13", Reference: "Lightning-AI/litgpt#2182", Visible: true,
		Mechanism: "the mask of a chunk longer than the window is cut to the window: its early queries see tokens that come later",
	},
	plant: func() hooks {
		return hooks{mask: func(e *Engine, v *view, p, pos int, sees bool) bool {
			w := e.window(v.layer)
			if w == 0 || v.n <= w || p-v.first >= w-1 {
				return sees
			}
			return sees || v.first <= pos && pos < v.first+w && pos >= v.request.pad
		}}
	},
}

var paddingSeen = fault{
	Fault: Fault{
		Name: "padding-seen", Visible: true,
		Mechanism: "left padding is not masked",
	},
	plant: func() hooks {
		return hooks{mask: func(e *Engine, v *view, p, pos int, sees bool) bool {
			return sees || pos < v.request.pad && e.inWindow(v.layer, p, pos)
		}}
	},
}

var paddingOfShortest = fault{
	Fault: Fault{
		Name: "padding-of-shortest", ID: "C13", Reference: "lablup/mlxcel#75", Visible: true,
		Mechanism: "one mask for a batch that is padded unequally: the least padding is masked in all its requests",
	},
	plant: func() hooks {
		return hooks{mask: func(e *Engine, v *view, p, pos int, sees bool) bool {
			least := v.request.pad
			for _, x := range e.parts {
				least = min(least, x.request.pad)
			}
			return sees || least <= pos && pos < v.request.pad && e.inWindow(v.layer, p, pos)
		}}
	},
}

// inWindow is whether a layer's mask lets the query at position p see the token at pos,
// padding or not.
func (e *Engine) inWindow(layer, p, pos int) bool {
	w := e.window(layer)
	return 0 <= pos && pos <= p && (w == 0 || pos > p-w)
}
