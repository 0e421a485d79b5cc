package engine

import (
	"context"
	"errors"
	"math"
	"slices"
)

// missing is a logit that an engine did not give.
var missing = float32(math.Inf(-1))

// Missing is a row of n logits of which none is given.
func Missing(n int) []float32 { return slices.Repeat([]float32{missing}, n) }

// crowdedSum is how far from one the shares of a head may add up to. Taken from the smallest
// logit given they add up to one if a token has it that was not seen, up to rounding, and to
// half of one and less where every one given was seen.
const crowdedSum = 0.1

// ReadLargest is Read of a row of an engine that gives the largest logits alone, or
// log-probabilities; the others are -Inf. No logit is below that of a token that was not
// seen, so that the smallest given is one of those where not every one given was seen, and
// what is missing is at most that: not seen. Where every one given was seen, its heads are
// Crowded. It fails where a head's constant is missing.
func (m Model) ReadLargest(logits []float32) (Reading, error) {
	if len(logits) < m.Vocabulary() {
		return Reading{}, errShort(logits, m)
	}
	least := float32(math.Inf(1))
	for _, x := range logits {
		if x != missing {
			least = min(least, x) // NaN where one is
		}
	}
	reading, err := m.readAbove(logits, float64(least))
	if err != nil {
		return reading, err
	}
	for layer, heads := range reading.Heads {
		for h := range heads {
			if math.Abs(heads[h].sum()-1) > crowdedSum {
				return m.readCrowded(logits, layer, h)
			}
		}
	}
	return reading, nil
}

// readAbove reads a row whose missing logits are those of tokens that were not seen.
func (m Model) readAbove(logits []float32, unseen float64) (Reading, error) {
	return m.read(func(id int) float64 {
		if logits[id] == missing {
			return 0
		}
		return m.uncapped(float64(logits[id]) - unseen)
	})
}

// readCrowded reads a row in which no token is given that was not seen, so that nobody
// knows its logit: it is that with which the shares of a head add up to one.
func (m Model) readCrowded(logits []float32, layer, head int) (Reading, error) {
	sum, given := 0., 0
	for s := range m.HeadDim {
		if x := logits[m.slot(layer, head, s)]; x != missing && s != m.constant() {
			sum, given = sum+float64(x), given+1
		}
	}
	if given < 2 {
		return Reading{}, errors.New("the largest logits do not say what the others are: too few of them are of tokens that were seen")
	}
	reading, err := m.readAbove(logits, (sum-float64(logits[m.slot(layer, head, m.constant())]))/float64(given-1))
	for _, heads := range reading.Heads {
		for h := range heads {
			heads[h].Crowded = true
		}
	}
	return reading, err
}

// sum is that of all shares, one but for rounding.
func (h *Head) sum() float64 {
	sum := h.Padding + h.Other
	for _, share := range h.Shares {
		sum += share
	}
	return sum
}

// Largest is a driver that gives the N largest logits of each row of another, as APIs do
// that give no more; the others are -Inf.
type Largest struct {
	Driver
	N int
}

// Forward implements Driver.
func (d Largest) Forward(ctx context.Context, chunks []Chunk, all bool) ([][]float32, error) {
	rows, err := d.Driver.Forward(ctx, chunks, all)
	for _, row := range rows {
		keepLargest(row, d.N)
	}
	return rows, err
}

// keepLargest leaves the n largest numbers of a row, of equal ones the first.
func keepLargest(row []float32, n int) {
	ids := make([]int, len(row))
	for i := range ids {
		ids[i] = i
	}
	slices.SortStableFunc(ids, func(a, b int) int {
		switch {
		case row[a] > row[b]:
			return -1
		case row[a] < row[b]:
			return 1
		}
		return 0
	})
	for _, id := range ids[min(n, len(ids)):] {
		row[id] = missing
	}
}
