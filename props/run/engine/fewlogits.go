package engine

import (
	"fmt"
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/engine"
)

// What the largest logits of a row are beside those of the tokens that each layer's head
// sees and of its constant: of the token that follows, of the last one or the embedding's
// constant, and one of a token that is not seen, which says what that is.
const logitsBeside = 3

// The windows of checkpoints of which 20 logits are given: of one layer, which slides, and
// of two, of which the other is full, so that few tokens fit.
var logitsWindows = [...][]int{1: {3, 8, 4, 12, 2, 16}, 2: {3, 4, 2}}

// leastMore is how many tokens more than its window a request must have room for.
const leastMore = 4

// fewLogits is the checkpoints of an engine that gives few logits: each architecture with
// each window.
func (c Choice) fewLogits(archs []string, dtypes []impls.DType) (all []corpus.WindowModel, err error) {
	for layers := 1; layers < len(logitsWindows); layers++ {
		windows := logitsWindows[layers]
		if len(c.Windows) > 0 {
			windows = c.Windows
		}
		for _, arch := range archs {
			for _, w := range windows {
				m := corpus.WindowModel{Window: w, Model: corpus.Model{
					Arch: arch, Kind: engine.Visible, Layers: layers, Heads: 1, KVHeads: 1, Dim: 64,
					DType: dtypes[len(all)%len(dtypes)], Seed: uint64(1 + len(all)),
				}}
				if c.takes(m) {
					all = append(all, m)
				}
			}
		}
	}
	if len(all) == 0 {
		err = c.nothing(archs, fmt.Sprintf("%d logits can show a visible one with a window of at most %d", c.Logits, c.Logits-logitsBeside-1))
	}
	return all, err
}

// fits reports whether so few logits can show all that a checkpoint's heads see.
func (c Choice) fits(m corpus.WindowModel) bool {
	if layers := c.Layers[m.Arch]; layers != nil && !slices.Contains(layers, m.Layers) || m.Kind != engine.Visible || m.Heads != 1 {
		return false
	}
	slides, rest := c.beside(m)
	return rest >= 0 && (slides == m.Layers || c.room(m) >= m.Window+leastMore)
}

// beside is how many layers of a checkpoint slide, and how many logits are left for what
// the others see.
func (c Choice) beside(m corpus.WindowModel) (slides, rest int) {
	for layer := range m.Layers {
		if toModel(m).Sliding(layer) {
			slides++
		}
	}
	return slides, c.Logits - logitsBeside - m.Layers - slides*m.Window
}

// room is the most tokens of a request of which few logits can say what the full layers of
// a checkpoint see, 0 for no bound.
func (c Choice) room(m corpus.WindowModel) int {
	slides, rest := c.beside(m)
	if c.Logits == 0 || slides == m.Layers {
		return 0
	}
	return max(1, rest/(m.Layers-slides))
}
