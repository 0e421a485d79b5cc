package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/engine"
)

// Choice says which checkpoints a hunt draws from. What it leaves empty is any.
type Choice struct {
	Windows      []int
	Kinds, Archs []string
	DTypes       []impls.DType
	// MinWindow and MaxWindow bound the windows of an engine, 0 for no bound.
	MinWindow, MaxWindow int
	// Logits is how many of each row the engine gives, the largest; 0 for all. Then what
	// its checkpoints can show fits: those of fewLogits.
	Logits int
	// Layers is how many layers checkpoints of an architecture have that an engine can
	// take, where it is in the list; of few logits alone.
	Layers map[string][]int
}

// The windows that are drawn, in this order: small ones, where each step turns the
// window over, and one that is longer than a chunk of most engines.
var (
	visibleWindows = []int{3, 8, 4, 16, 2, 64}
	fullWindows    = []int{4, 8, 3, 16}
)

// heads are the query heads and those of keys and values of visible checkpoints: grouped,
// one for all, as many, groups of four.
var heads = [...][2]int{{4, 2}, {2, 1}, {2, 2}, {8, 2}}

// list is the checkpoints, a handful.
func (c Choice) list() ([]corpus.WindowModel, error) {
	archs, dtypes := c.Archs, c.DTypes
	if len(archs) == 0 {
		archs = corpus.Archs()
	}
	if len(dtypes) == 0 {
		dtypes = []impls.DType{impls.F32, impls.BF16, impls.F32, impls.F16}
	}
	if c.Logits > 0 {
		return c.fewLogits(archs, dtypes)
	}
	var all []corpus.WindowModel
	for _, kind := range corpus.ModelKinds() {
		windows := visibleWindows
		if kind == engine.Full {
			windows = fullWindows
		}
		if len(c.Windows) > 0 {
			windows = c.Windows
		}
		rounds := 1
		if len(windows) < len(archs) {
			rounds = len(archs) // each architecture with each window
		}
		for i := range rounds * len(windows) {
			m := corpus.WindowModel{Window: windows[i%len(windows)], Model: corpus.Model{
				Arch: archs[i%len(archs)], Kind: kind, DType: dtypes[i%len(dtypes)], Layers: 2, Dim: 64, Seed: uint64(1 + i),
			}}
			if rounds > 1 {
				m.Arch = archs[i/len(windows)]
			}
			if m.Heads, m.KVHeads = heads[i%len(heads)][0], heads[i%len(heads)][1]; kind == engine.Full {
				m.Heads, m.KVHeads = engine.FullHeads(m.Window, 2), 2
				m.Heads = min(m.Heads, mostFullHeads)
			}
			for toModel(m).Identities() < m.Window+2 && m.Dim < mostDim {
				m.Dim *= 2
			}
			if c.takes(m) && toModel(m).Check() == nil {
				all = append(all, m)
			}
		}
	}
	if len(all) > 0 {
		return all, nil
	}
	return nil, c.nothing(archs, "a full one has a window of at most 16")
}

// nothing says that no checkpoint has all that was asked for, and a reason that may be.
func (c Choice) nothing(archs []string, why string) error {
	asked := []string{"archs " + strings.Join(archs, ",")}
	if len(c.Windows) > 0 {
		asked = append(asked, fmt.Sprintf("windows %v", c.Windows))
	}
	if len(c.Kinds) > 0 {
		asked = append(asked, "kinds "+strings.Join(c.Kinds, ","))
	}
	if c.MinWindow > 1 {
		why += fmt.Sprintf(", and this engine takes windows from %d on", c.MinWindow)
	}
	return fmt.Errorf("no checkpoint has what was asked for: %s; %s", strings.Join(asked, ", "), why)
}

// mostFullHeads bounds the heads of a full checkpoint: a layer of 28 with 64 elements
// each makes 50 MB of it. mostDim is what a window of 250 tokens needs to have an
// identity for each.
const mostFullHeads, mostDim = 28, 256

// takes reports whether a checkpoint is one of the choice.
func (c Choice) takes(m corpus.WindowModel) bool {
	return (len(c.Kinds) == 0 || slices.Contains(c.Kinds, m.Kind)) &&
		(len(c.Archs) == 0 || slices.Contains(c.Archs, m.Arch)) &&
		(len(c.DTypes) == 0 || slices.Contains(c.DTypes, m.DType)) &&
		(c.Logits == 0 || c.fits(m)) &&
		m.Window >= c.MinWindow && (c.MaxWindow == 0 || m.Window <= c.MaxWindow)
}
