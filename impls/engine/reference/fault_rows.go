package reference

import "slices"

var positionsOffByOne = fault{
	Fault: Fault{
		Name:      "positions-off-by-one",
		Mechanism: "tokens after the prompt are turned by one position too many",
	},
	plant: func() hooks {
		return hooks{rotary: func(_ *Engine, _ int, p part, position int) int {
			if p.first > 0 {
				position++
			}
			return position
		}}
	},
}

var lengthOfLayer0 = fault{
	Fault: Fault{
		Name: "length-of-layer-0", ID: "E10", Reference: "fla-org/flash-linear-attention#477", Visible: true,
		Mechanism: "how many tokens there are is asked of layer 0, which holds a window of them: positions stall there, for the turning and for the mask of full layers",
	},
	plant: func() hooks {
		// stalled is the position of a token where layer 0 says how many come before.
		stalled := func(e *Engine, first, position int) int {
			if w := e.window(0); w > 0 && first > w {
				return w + position - first
			}
			return position
		}
		return hooks{
			rotary: func(e *Engine, _ int, p part, position int) int { return stalled(e, p.first, position) },
			mask: func(e *Engine, v *view, p, pos int, sees bool) bool {
				return sees && (e.window(v.layer) > 0 || pos <= stalled(e, v.first, p))
			},
		}
	},
}

// marked are the rows that the faults below spoil: one in each few, so that a window
// has one soon, at an odd distance, so that it is not always the same place of it.
func marked(position int) bool { return position%7 == 2 }

// eachWritten calls a function with each marked row that is about to be written.
func eachWritten(e *Engine, parts []part, do func(position int, key, value []float32)) {
	width := e.decoder.kvHeads * e.decoder.headDim
	for _, p := range parts {
		for i := range p.n {
			if at := (p.at + i) * width; marked(p.first + i) {
				do(p.first+i, e.decoder.keys[at:at+width], e.decoder.values[at:at+width])
			}
		}
	}
}

// ofKey is a fault in the keys of a row.
func ofKey(do func(e *Engine, layer, position int, key []float32)) func() hooks {
	return func() hooks {
		return hooks{written: func(e *Engine, layer int, parts []part) {
			eachWritten(e, parts, func(position int, key, _ []float32) { do(e, layer, position, key) })
		}}
	}
}

var keyRowOff = fault{
	Fault: Fault{
		Name:      "key-row-off",
		Mechanism: "the keys of one token are turned by one position too many",
	},
	plant: ofKey(func(e *Engine, layer, _ int, key []float32) { e.decoder.rotation(layer, 1).turn(key) }),
}

var keyElementZeroed = fault{
	Fault: Fault{
		Name:      "key-element-zeroed",
		Mechanism: "one element of the keys of one token, the largest, is zero",
	},
	plant: ofKey(func(_ *Engine, _, _ int, key []float32) {
		largest := 0
		for i, x := range key {
			if max(x, -x) > max(key[largest], -key[largest]) {
				largest = i
			}
		}
		key[largest] = 0
	}),
}

var keyRowScaled = fault{
	Fault: Fault{
		Name: "key-row-scaled", Visible: true,
		Mechanism: "the keys of one token are half of what they are",
	},
	plant: ofKey(func(_ *Engine, _, _ int, key []float32) {
		for i := range key {
			key[i] /= 2
		}
	}),
}

var keyHeadsSwapped = fault{
	Fault: Fault{
		Name:      "key-heads-swapped",
		Mechanism: "the keys of one token change places between the first two heads",
	},
	plant: ofKey(func(e *Engine, _, _ int, key []float32) { swapHeads(e, key) }),
}

var valueHeadsSwapped = fault{
	Fault: Fault{
		Name: "value-heads-swapped", Visible: true,
		Mechanism: "the values of one token change places between the first two heads",
	},
	plant: func() hooks {
		return hooks{written: func(e *Engine, _ int, parts []part) {
			eachWritten(e, parts, func(_ int, _, value []float32) { swapHeads(e, value) })
		}}
	},
}

// swapHeads swaps the first two heads of a row; of one head there is nothing to swap.
func swapHeads(e *Engine, row []float32) {
	if d := e.decoder.headDim; len(row) >= 2*d {
		first := slices.Clone(row[:d])
		copy(row[:d], row[d:2*d])
		copy(row[d:2*d], first)
	}
}

// moved is a fault that puts the next token's row in the place of a marked one, as a
// shift in place does that reads what it has written.
func moved(rows func(*view) []float32) func() hooks {
	return func() hooks {
		return hooks{read: func(_ *Engine, v *view) {
			all := rows(v)
			for r, pos := range v.positions {
				if next := slices.Index(v.positions, pos+1); pos >= 0 && marked(pos) && next >= 0 {
					width := len(all) / v.rows
					copy(all[r*width:(r+1)*width], all[next*width:(next+1)*width])
				}
			}
		}}
	}
}

var keyRowMoved = fault{
	Fault: Fault{
		Name: "key-row-moved", ID: "A1", Reference: "pytorch/pytorch#159855",
		Mechanism: "a row of keys holds those of the next token",
	},
	plant: moved(func(v *view) []float32 { return v.keys }),
}

var valueRowMoved = fault{
	Fault: Fault{
		Name: "value-row-moved", ID: "A1", Reference: "pytorch/pytorch#159855", Visible: true,
		Mechanism: "a row of values holds those of the next token",
	},
	plant: moved(func(v *view) []float32 { return v.values }),
}

var lastTokenLost = fault{
	Fault: Fault{
		Name: "last-token-lost", ID: "F16", Reference: "microsoft/onnxruntime-genai#1110", Visible: true,
		Mechanism: "the row of the token before a chunk of several tokens is empty",
	},
	plant: func() hooks {
		return hooks{read: func(_ *Engine, v *view) {
			if v.n == 1 {
				return
			}
			if r := slices.Index(v.positions, v.first-1); v.first > 0 && r >= 0 {
				width := len(v.keys) / v.rows
				clear(v.keys[r*width : (r+1)*width])
				clear(v.values[r*width : (r+1)*width])
			}
		}}
	},
}
