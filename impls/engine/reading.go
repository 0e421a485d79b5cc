package engine

import (
	"fmt"
	"math"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Role is what a query head attends to.
type Role uint8

// The roles of query heads.
const (
	// Uniform heads attend to every visible row alike: n times the share of a token is
	// how often it is visible, where n rows are.
	Uniform Role = iota
	// Balanced heads attend to every visible row alike too, as long as its key is
	// whole: a key with an element that is zero or another, a scaled one and a row of
	// zeros get another share.
	Balanced
	// Lookup heads attend to the key of the token that is Offset before the query's in
	// the order of identities, wherever it lies. Judge one only where that token is
	// visible.
	Lookup
	// Position heads attend to the row Offset positions before the query, whatever it
	// holds. Judge one only where that row is visible.
	Position
)

func (r Role) String() string {
	return [...]string{Uniform: "uniform", Balanced: "balanced", Lookup: "lookup", Position: "position"}[r]
}

// Head is what one query head attended to. Shares, Padding and Other add up to one up
// to rounding, whatever part rows of zeros got.
type Head struct {
	Role    Role
	Offset  int       // of a Lookup head in identities, of a Position head in positions
	Shares  []float64 // by identity
	Padding float64
	Other   float64 // what tokens got that are no identity and no padding, as a begin that an engine adds
	// Empty is the part of the head's attention that rows of zeros got, 0 where it
	// cannot be told: with Gemma's norms it is told of a Uniform head that has a
	// Balanced one in its group, and always of parts that rounding cannot be, above
	// 2^-16 in F32, 2^-9 in F16 and 2^-6 in BF16.
	Empty float64
	// Crowded: of a row of the largest logits alone, none is given of a token that was not
	// seen. Then a token whose share is 0 may have been seen as often as the least of those
	// that are given; the others are right if there is none such.
	Crowded bool
}

// Reading is what the logits of one position say: by layer, by query head.
type Reading struct{ Heads [][]Head }

// Read reads one row of logits, which has a number for each id of the vocabulary or
// more. What differs from the logits by one number a row will do, as log-probabilities
// do. It fails for a row that no attention explains: too short, with a number that is
// not finite where it is read, or with a head that wrote nothing.
func (m Model) Read(logits []float32) (Reading, error) {
	if len(logits) < m.Vocabulary() {
		return Reading{}, errShort(logits, m)
	}
	offset := float64(logits[m.zero()])
	return m.read(func(id int) float64 { return m.uncapped(float64(logits[id]) - offset) })
}

func errShort(logits []float32, m Model) error {
	return fmt.Errorf("%d logits of %d ids", len(logits), m.Vocabulary())
}

// read reads a row whose logits at gives by id, less that of the zero row.
func (m Model) read(at func(id int) float64) (Reading, error) {
	heads := make([]Head, m.Layers*m.Heads)
	shares := make([]float64, m.Identities()*len(heads))
	reading := Reading{Heads: make([][]Head, m.Layers)}
	roles := m.roles()
	for layer := range m.Layers {
		reading.Heads[layer], heads = heads[:m.Heads:m.Heads], heads[m.Heads:]
		for h := range m.Heads {
			head := &reading.Heads[layer][h]
			head.Role, head.Offset = roles[h].role, roles[h].offset
			head.Shares, shares = shares[:m.Identities():m.Identities()], shares[m.Identities():]
			whole := at(m.slot(layer, h, m.constant()))
			sum := whole
			for t := range head.Shares {
				head.Shares[t] = at(m.slot(layer, h, t)) / whole
				sum += head.Shares[t]
			}
			head.Padding = at(m.slot(layer, h, m.Padding())) / whole
			for _, id := range [...]int{m.begin(), m.end(), m.unknown()} {
				head.Other += at(m.slot(layer, h, id)) / whole
			}
			if sum += head.Padding + head.Other; math.IsNaN(sum) || math.IsInf(sum, 0) || whole <= 0 {
				return Reading{}, fmt.Errorf("layer %d, head %d: the logits say nothing of what it attended to (%g)", layer, h, whole)
			}
		}
		m.empty(reading.Heads[layer], func(h int) float64 { return at(m.slot(layer, h, m.constant())) }, at(m.constant()))
	}
	return reading, nil
}

// empty sets what rows of zeros got. Such a row takes attention and adds nothing to
// the constant: whole(h) is the constant that a head wrote, and reference the same of a
// query that saw no such row, where there are no norms between (Mistral).
func (m Model) empty(heads []Head, whole func(int) float64, reference float64) {
	for h := range heads {
		full := reference
		if m.Arch != Mistral {
			// After a norm only heads of one layer compare. The last of the group is
			// Balanced in a visible checkpoint, the second in a full one.
			b := h - h%m.group() + m.balanced()
			if heads[h].Role != Uniform || b < 0 || heads[b].Role != Balanced {
				continue
			}
			full = whole(b)
		}
		if empty := 1 - whole(h)/full; empty > m.told() {
			heads[h].Empty = empty
		}
	}
}

// told is the smallest part that rows of zeros got for which rounding is no
// explanation: four times the unit of the element type, which the two constants that are
// compared do not reach in any row that was measured (docs/engines.md). In F32 it is the
// sums that round.
func (m Model) told() float64 {
	switch m.DType {
	case impls.BF16:
		return 1.0 / (1 << 6)
	case impls.F16:
		return 1.0 / (1 << 9)
	}
	return 1.0 / (1 << 16)
}

// The soft caps of Gemma 2: large, so that they cost no precision, and there, so that
// an engine that leaves them out is no reason to misread.
const (
	attentionCap = 2000
	finalCap     = 300
)

// uncapped undoes the soft cap of the logits.
func (m Model) uncapped(x float64) float64 {
	if m.Arch != Gemma2 {
		return x
	}
	return finalCap * math.Atanh(x/finalCap)
}
