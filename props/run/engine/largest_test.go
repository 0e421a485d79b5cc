package engine

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/engine/reference"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

// cutBackend is the reference engine with a fault, of which the 20 largest logits of a row
// are given.
func cutBackend(t *testing.T, fault, folder string) *Backend {
	t.Helper()
	driver, err := reference.New(reference.Options{Fault: fault})
	require.NoError(t, err)
	b, err := New(engine.Largest{Driver: driver, N: 20}, Options{
		Name: "cut", All: true, Quick: true, Folder: folder, Models: Choice{Logits: 20},
		Can: corpus.EngineCan{Crop: true, Fork: true, Chunks: true, Join: true, Padding: true},
	})
	require.NoError(t, err)
	return b
}

// The faults that one head a layer cannot show: they are of a second head, or of the size of
// a key.
var notOfOneHead = []string{"key-row-scaled", "value-heads-swapped"}

// Twenty logits of a row are enough to see what is wrong with the tokens that are seen.
func TestLargestLogitsShowFaults(t *testing.T) {
	folder := t.TempDir()
	for _, f := range reference.Faults() {
		if !f.Visible || f.Racy {
			continue
		}
		t.Run(f.Name, func(t *testing.T) {
			n, _, d := until(t, cutBackend(t, f.Name, folder), 1, mostCases)
			if slices.Contains(notOfOneHead, f.Name) {
				assert.Zero(t, n, "it is shown after all: %v", d)
				return
			}
			assert.Positive(t, n)
			t.Logf("at case %d: %v", n, d)
		})
	}
}

// A sound engine of which 20 logits are given is found right in every step, in every type
// of element.
func TestLargestLogitsOfSoundEngine(t *testing.T) {
	steps := 10_000
	if testing.Short() {
		steps = 1000
	}
	b := cutBackend(t, "", t.TempDir())
	draw := b.Draws(b.Target(), 1)
	var all judge.EngineCounts
	windows := map[int]bool{}
	for all.Steps < steps {
		c := draw()
		require.True(t, b.Takes(c))
		windows[c.Shape.Window] = true
		d, err := b.one(context.Background(), c)
		require.NoError(t, err)
		require.Nil(t, d, "%s", c)
		n := b.Steps()
		all.Steps, all.Undecided, all.Worst = all.Steps+n.Steps, all.Undecided+n.Undecided, max(all.Worst, n.Worst)
	}
	assert.Zero(t, all.Undecided)
	assert.Less(t, all.Worst, 0.1)
	t.Logf("%d steps, windows %v, counts at most %.2g from whole numbers", all.Steps, windows, all.Worst)
}
