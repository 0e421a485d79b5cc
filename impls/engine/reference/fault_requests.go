package reference

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// rowPair is a row of keys and one of values.
type rowPair struct{ key, value []float32 }

// take copies a row of a view; put writes one.
func (v *view) take(r int) rowPair {
	w := len(v.keys) / v.rows
	return rowPair{slices.Clone(v.keys[r*w : (r+1)*w]), slices.Clone(v.values[r*w : (r+1)*w])}
}

func (v *view) put(r int, x rowPair) {
	copy(v.keys[r*len(x.key):], x.key)
	copy(v.values[r*len(x.value):], x.value)
}

var rowShared = fault{
	Fault: Fault{
		Name: "row-shared", Reference: "nod-ai/amd-shark-ai#2276", Visible: true,
		Mechanism: "requests share a row: what one writes at a position, all have there",
	},
	plant: func() hooks {
		type place struct{ layer, position int }
		shared := map[place]rowPair{}
		return hooks{
			written: func(e *Engine, layer int, parts []part) {
				if len(e.order) < 2 {
					clear(shared) // of requests that are gone nothing is left
				}
				for _, p := range parts {
					eachWritten(e, []part{p}, func(position int, key, value []float32) {
						shared[place{layer, position}] = rowPair{slices.Clone(key), slices.Clone(value)}
					})
				}
			},
			read: func(_ *Engine, v *view) {
				for r, pos := range v.positions {
					if x, ok := shared[place{v.layer, pos}]; ok && pos >= v.request.pad {
						v.put(r, x)
					}
				}
			},
		}
	},
}

var rowsOfOther = fault{
	Fault: Fault{
		Name: "rows-of-other", Visible: true,
		Mechanism: "in a batch the second and further requests have the newest row of the first in the place of their oldest in the window",
	},
	plant: func() hooks {
		var first rowPair
		return hooks{read: func(e *Engine, v *view) {
			if e.window(v.layer) == 0 || len(e.parts) < 2 {
				return
			}
			last := v.first + v.n - 1
			if v.request == e.parts[0].request {
				if r := slices.Index(v.positions, last); r >= 0 {
					first = v.take(r)
				}
				return
			}
			if r := slices.Index(v.positions, max(v.request.pad, last-e.window(v.layer)+1)); r >= 0 {
				v.put(r, first)
			}
		}}
	},
}

var reorderLeavesWindows = fault{
	Fault: Fault{
		Name: "reorder-leaves-windows", ID: "G1", Reference: "huggingface/transformers#46612", Visible: true,
		Mechanism: "where requests fork or end, the sliding layers keep their old order",
	},
	under: Options{Cache: defaultCache, Together: true},
	plant: func() hooks {
		return hooks{
			fork: func(e *Engine, layer int, r *request) *request {
				if e.window(layer) > 0 {
					return e.order[len(e.order)-1]
				}
				return r
			},
			drop: func(e *Engine, layer int, gone []*request) bool {
				s, ok := e.stores[layer].(*together)
				stay := slices.DeleteFunc(slices.Clone(e.order), func(r *request) bool { return slices.Contains(gone, r) })
				return ok && len(stay) > 0 && s.choose(numbers(len(stay)), stay) == nil
			},
		}
	},
}

var misalignedAfterDrop = fault{
	Fault: Fault{
		Name: "misaligned-after-drop", ID: "G2", Reference: "jundot/omlx#2172, Blaizzy/mlx-vlm#1889", Visible: true,
		Mechanism: "requests end, and those that stay are aligned by the lengths in the old places",
	},
	under: Options{Cache: "go/beams-misaligned-after-drop", Together: true},
}

var oneRollback = fault{
	Fault: Fault{
		Name: "one-rollback", ID: "G3", Reference: "Blaizzy/mlx-vlm#1155, Blaizzy/mlx-vlm#2113", Visible: true,
		Mechanism: "a crop of one request cuts the sliding layers of all to the length of the first",
	},
	under: Options{Cache: "go/beams-one-rollback", Together: true},
}

var layersDisagree = fault{
	Fault: Fault{
		Name: "layers-disagree", ID: "G4", Reference: "vllm-project/vllm#51756, vllm-project/vllm-ascend#11791, ml-explore/mlx-lm#1494", Visible: true,
		Mechanism: "a crop is granted where the full layers hold what it needs; the sliding ones have evicted it",
	},
	under: Options{Cache: "go/sliding-rewinds-past-eviction"},
}

const race = "a row of the window is overwritten before it is read: roll/drop-war under the sliding layers, "

var raceDescending = fault{
	Fault: Fault{
		Name: "race-descending", ID: "A1", Reference: "pytorch/pytorch#159855", Visible: true,
		Mechanism: race + "its blocks from the last to the first",
	},
	under: Options{Cache: "roll/drop-war/sim", Order: inplace.Schedule{Kind: inplace.Descending}},
}

var raceOnHost = fault{
	Fault: Fault{
		Name: "race-on-host", ID: "A1", Reference: "pytorch/pytorch#159855", Visible: true, Racy: true,
		Mechanism: race + "its blocks on threads",
	},
	under: Options{Cache: "roll/drop-war/host", Order: inplace.Schedule{Kind: inplace.Native}},
}
