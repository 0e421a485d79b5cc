package engine

import (
	"cmp"
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/engine/reference"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// referenceBackend is the reference engine with a fault, hunted on checkpoints of a kind.
func referenceBackend(t *testing.T, fault, kind, folder string) *Backend {
	t.Helper()
	b, err := NewReference(fault, Choice{Kinds: []string{kind}})
	require.NoError(t, err)
	b.o.Folder = folder
	return b
}

// until is the cases until one diverges, and that one; 0 if none of so many does.
func until(t *testing.T, b *Backend, seed uint64, most int) (n int, c *corpus.Case, d *corpus.Divergence) {
	t.Helper()
	draw := b.Draws(b.Target(), seed)
	for n = 1; n <= most; n++ {
		c = draw()
		d, err := b.one(context.Background(), c)
		require.NoError(t, err)
		if d != nil {
			return n, c, d
		}
	}
	return 0, nil, nil
}

// mostCases is the cases within which each fault is to be caught.
const mostCases = 50

// Each fault that is planted in the reference engine is caught in few cases by
// checkpoints of the kind full, and by those of the kind visible if they see it; a sound
// one never is.
func TestPlantedFaultsAreCaught(t *testing.T) {
	folder := t.TempDir()
	seeds, kinds := uint64(3), []string{engine.Full, engine.Visible}
	if testing.Short() {
		seeds, kinds = 1, kinds[1:]
	}
	for _, kind := range kinds {
		for _, f := range append([]reference.Fault{{Visible: true}}, reference.Faults()...) {
			if kind == engine.Visible && !f.Visible {
				continue
			}
			for seed := uint64(1); seed <= seeds; seed++ {
				t.Run(fmt.Sprintf("%s/%s/%d", kind, cmp.Or(f.Name, "sound"), seed), func(t *testing.T) {
					t.Parallel()
					most := mostCases
					switch {
					case f.Racy:
						most = 10 // it need not show
					case testing.Short() && f.Name == "":
						most = 15 // TestEngineSound has more
					}
					n, _, d := until(t, referenceBackend(t, f.Name, kind, folder), seed, most)
					if f.Name == "" {
						require.Zero(t, n, "a sound engine: %v", d)
					} else if !f.Racy {
						require.Positive(t, n)
					}
					t.Logf("at case %d", n)
				})
			}
		}
	}
}

// From a token that is missing where the cache races, the divergence leads to the row that
// holds another's, and to the case of the cache alone.
func TestFaultLeadsToTheCache(t *testing.T) {
	n, _, d := until(t, referenceBackend(t, "race-descending", engine.Visible, t.TempDir()), 1, mostCases)
	require.Positive(t, n)
	require.NotNil(t, d.Under)
	require.Contains(t, d.Under.Rows, "row 0, position ")
	c, err := corpus.Parse("cache.txt", []byte(d.Under.Cache), 1<<20)
	require.NoError(t, err)
	require.Equal(t, "roll/drop-war/sim", c.Target.String())
	local, err := run.Local().Run(t.Context(), []*corpus.Case{c})
	require.NoError(t, err)
	require.NotNil(t, local[0].Race, "it races in the cache alone")
}
