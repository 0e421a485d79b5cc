package engine

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
)

// seenRow is a row of logits of one head that saw some of the first tokens once, each
// number moved by some, as log-probabilities are.
func seenRow(m Model, seen int, moved float32) []float32 {
	row := make([]float32, m.Vocabulary())
	row[seen%m.Identities()] = 24
	row[m.slot(0, 0, m.constant())] = 16
	for t := range seen {
		row[m.slot(0, 0, t)] = 16 / float32(seen)
	}
	for i := range row {
		row[i] += moved
	}
	return row
}

var oneHead = Model{Arch: Gemma3, Kind: Visible, Window: 16, Layers: 1, Heads: 1, KVHeads: 1, HeadDim: 64, DType: impls.F32}

// Of the largest logits the shares are read as of all of them, whatever number they differ
// by; where every one given was seen the reading says so.
func TestReadLargest(t *testing.T) {
	for seen, crowded := range map[int]bool{1: false, 2: false, 16: false, 17: false, 18: true, 25: true} {
		row := seenRow(oneHead, seen, -30)
		keepLargest(row, 20)
		got, err := oneHead.ReadLargest(row)
		require.NoError(t, err)
		head := got.Heads[0][0]
		assert.Equal(t, crowded, head.Crowded, seen)
		assert.InDelta(t, 1, head.sum(), 1e-5)
		want := 1 / float64(min(seen, 18)) // of those given
		assert.InDelta(t, want, head.Shares[0], 1e-5, seen)
		if seen < len(head.Shares) {
			assert.InDelta(t, 0, head.Shares[seen], 1e-5, seen)
		}
	}
}

// A row that lacks what the shares are parts of, has a number that is none, or is too short
// says nothing.
func TestReadLargestRefuses(t *testing.T) {
	for want, change := range map[string]func(row []float32) []float32{
		"say nothing": func(row []float32) []float32 { row[oneHead.slot(0, 0, oneHead.constant())] = missing; return row },
		"logits of":   func(row []float32) []float32 { return row[1:] },
		"nothing of":  func(row []float32) []float32 { row[oneHead.slot(0, 0, 0)] = float32(math.NaN()); return row },
		"layer 0":     func(row []float32) []float32 { return Missing(len(row)) },
	} {
		_, err := oneHead.ReadLargest(change(seenRow(oneHead, 3, 0)))
		assert.ErrorContains(t, err, want)
	}
}

// Of equal numbers the first are kept.
func TestKeepLargest(t *testing.T) {
	row := []float32{1, 3, 1, 2, 1}
	keepLargest(row, 3)
	assert.Equal(t, []float32{1, 3, missing, 2, missing}, row)
	keepLargest(row, 9)
	assert.Equal(t, []float32{1, 3, missing, 2, missing}, row)
}

func TestLessWindow(t *testing.T) {
	file := []byte("..gemma3.attention.sliding_window\x04\x00\x00\x00\x08\x00\x00\x00..")
	require.NoError(t, LessWindow(file, 1))
	assert.Equal(t, "..gemma3.attention.sliding_window\x04\x00\x00\x00\x07\x00\x00\x00..", string(file))
	require.ErrorContains(t, LessWindow(file, 7), "cannot be 7 less")
	require.ErrorContains(t, LessWindow([]byte("GGUF"), 1), "names no window")
}
