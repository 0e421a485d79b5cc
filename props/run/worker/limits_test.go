package worker

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// firstFault is the first divergence among so many drawn cases of the cache of lists
// in Python, nil if there is none.
func firstFault(t *testing.T, cases int, args ...string) *corpus.Divergence {
	t.Helper()
	c := listCache(t, args...)
	defer c.Kill()
	b, err := New(t.Context(), c)
	require.NoError(t, err)
	draw := corpus.Draws(b.Target(), 1)
	for range cases {
		one := draw()
		b.Fit(one)
		require.True(t, b.Takes(one), "%s", one.Text())
		all, err := b.Run(t.Context(), []*corpus.Case{one})
		require.NoError(t, err)
		if all[0] != nil {
			return all[0]
		}
	}
	counts := b.Counts()
	for _, o := range corpus.Operations() {
		require.Positive(t, counts[o.Name()].Accepted, "%s was accepted", o.Name())
	}
	return nil
}

// A worker that keeps to the limits that it declares is silent, whatever else it can
// do; one that takes what lies outside is found.
func TestLimitsOfWorkers(t *testing.T) {
	const limits = `{"dims":"8*","batches":[1,2,4],"max_chunk":"W+1"}`
	require.Nil(t, firstFault(t, 60))
	require.Nil(t, firstFault(t, 60, "--limits", limits))
	for fault, want := range map[string]string{
		"shape":     "the shape of the cache is outside of the limits that are declared",
		"max_chunk": "it is outside of the limits that are declared",
	} {
		d := firstFault(t, 300, "--limits", limits, "--fault", fault)
		require.NotNil(t, d, fault)
		require.Equal(t, corpus.FaultAccepted, d.Fault, fault)
		require.Contains(t, d.Detail, want, fault)
	}
}
