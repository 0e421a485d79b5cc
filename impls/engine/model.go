package engine

import (
	"fmt"

	"github.com/slidefuzz/slidefuzz/impls"
)

// The architectures of a probe checkpoint.
const (
	Mistral = "mistral" // every layer slides
	Gemma2  = "gemma2"  // layers 0, 2, 4 … slide, the others see all; soft caps
	Gemma3  = "gemma3"  // the same, with norms of queries and keys
)

// The kinds of a probe checkpoint.
const (
	// Visible says which tokens each query sees, and how often. Its keys carry one
	// constant alone. In each group of query heads that share a KV head the last is
	// Balanced, where there are two or more, and the others are Uniform.
	Visible = "visible"
	// Full says besides whether keys lie at the right positions, belong to their
	// values and are whole. In each group the heads are Uniform, Balanced, then Lookup
	// at one to three offsets, then Position by distance; FullHeads is how many heads
	// hold every distance below the window.
	Full = "full"
)

// Model describes a probe checkpoint: weights set by hand so that the logits say which
// tokens each query head of each layer attended to.
type Model struct {
	Arch, Kind string
	// Window is that of the sliding layers, in tokens: a query sees itself and
	// Window-1 before it.
	Window int
	Layers int
	// Heads is the number of query heads of a layer, KVHeads of those that the cache
	// holds; head h reads KV head h / (Heads/KVHeads).
	Heads, KVHeads int
	HeadDim        int
	DType          impls.DType // F32, F16 or BF16
	// Seed draws how slots and codes are given to identities.
	Seed uint64
}

// maxFullWindow bounds the window of a full checkpoint: each KV head has a query head
// for every distance, whose output takes HeadDim hidden elements.
const maxFullWindow = 16

// Check reports what the model asks for that cannot be written.
func (m Model) Check() error {
	switch m.Arch {
	case Mistral, Gemma2, Gemma3:
	default:
		return fmt.Errorf("arch %q: want %s, %s or %s", m.Arch, Mistral, Gemma2, Gemma3)
	}
	if m.Kind != Visible && m.Kind != Full {
		return fmt.Errorf("kind %q: want %s or %s", m.Kind, Visible, Full)
	}
	if m.DType != impls.F32 && m.DType != impls.F16 && m.DType != impls.BF16 {
		return fmt.Errorf("dtype %s: want F32, F16 or BF16", m.DType)
	}
	for _, e := range [...]struct {
		name      string
		n, lo, hi int
	}{
		{"window", m.Window, 1, 1 << 16},
		{"layers", m.Layers, 1, 64},
		{"heads", m.Heads, 1, 256},
		{"kv", m.KVHeads, 1, m.Heads},
		{"dim", m.HeadDim, 16, 512},
	} {
		if e.n < e.lo || e.n > e.hi {
			return fmt.Errorf("%s=%d is outside %d..%d", e.name, e.n, e.lo, e.hi)
		}
	}
	if m.Heads%m.KVHeads != 0 {
		return fmt.Errorf("heads=%d is no multiple of kv=%d", m.Heads, m.KVHeads)
	}
	if m.HeadDim%8 != 0 {
		return fmt.Errorf("dim=%d is no multiple of 8", m.HeadDim)
	}
	if m.Kind == Full {
		switch {
		case m.Window > maxFullWindow:
			return fmt.Errorf("window=%d: a full checkpoint holds at most %d, a visible one more", m.Window, maxFullWindow)
		case m.HeadDim < 32:
			return fmt.Errorf("dim=%d: a full checkpoint needs 32 for its codes", m.HeadDim)
		case m.group() < minFullGroup:
			return fmt.Errorf("heads=%d with kv=%d: a full checkpoint needs %d heads for each KV head; %d hold every distance",
				m.Heads, m.KVHeads, minFullGroup, FullHeads(m.Window, m.KVHeads))
		}
	}
	if n := m.hidden(); n > 1<<15 {
		return fmt.Errorf("layers=%d with heads=%d and dim=%d: %d hidden elements, more than %d", m.Layers, m.Heads, m.HeadDim, n, 1<<15)
	}
	return nil
}

// group is the number of query heads that share a KV head.
func (m Model) group() int { return m.Heads / m.KVHeads }

// Sliding says whether a layer, from 0, slides.
func (m Model) Sliding(layer int) bool { return m.Arch == Mistral || layer%2 == 0 }

// The ids of a checkpoint, from 0: the identities; padding; zero, whose logit is always
// 0; the beginning of a text, its end and the unknown token, for tokenizers; constant;
// then HeadDim slots for each layer and head, which are read and never decoded.
const specials = 6

// Identities is the number of ids, from 0, that name tokens. Greedy decoding of id t
// gives (t+1) mod Identities.
func (m Model) Identities() int { return m.HeadDim - specials }

// Padding is the id of padding, which decoding never gives.
func (m Model) Padding() int { return m.Identities() }

func (m Model) zero() int     { return m.Identities() + 1 }
func (m Model) begin() int    { return m.Identities() + 2 }
func (m Model) end() int      { return m.Identities() + 3 }
func (m Model) unknown() int  { return m.Identities() + 4 }
func (m Model) constant() int { return m.HeadDim - 1 }

// slot is the id whose logit is what a head wrote into slot s, 0 to HeadDim-1. The slot
// of a token is its id, that of the constant is constant.
func (m Model) slot(layer, head, s int) int {
	return m.HeadDim*(1+layer*m.Heads+head) + s
}

// Vocabulary is the number of ids.
func (m Model) Vocabulary() int { return m.HeadDim * (1 + m.Layers*m.Heads) }

// hidden is the number of hidden elements: HeadDim for what the token is, HeadDim for
// which token follows, HeadDim for each layer and head, and some unused: transformers'
// Gemma 3 wants a multiple of the number of heads, and kernels one of 8.
func (m Model) hidden() int {
	unit := 8 * m.Heads
	return m.HeadDim*m.Layers*m.Heads + (2*m.HeadDim+unit-1)/unit*unit
}
