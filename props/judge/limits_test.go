package judge_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/caches"
	"github.com/slidefuzz/slidefuzz/oracle"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// unfilled is a cache that takes no chunk without tokens.
type unfilled struct{ *caches.Beams }

func (c unfilled) UpdateEach(keys, values impls.Tensor, lengths []int) (k, v impls.Tensor, err error) {
	if keys.Rows == 0 {
		return k, v, impls.ErrRefused
	}
	return c.Beams.UpdateEach(keys, values, lengths)
}

func (c unfilled) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if keys.Rows == 0 {
		return k, v, impls.ErrRefused
	}
	return c.Beams.Update(keys, values)
}

// An entry that has no tokens of a chunk does not make the chunk an empty one, which
// the cache declares that it refuses.
func TestAnEntryWithoutTokensIsNoEmptyChunk(t *testing.T) {
	c := &corpus.Case{
		Shape: impls.Shape{Batch: 2, Heads: 1, Window: 2, Dim: 1, DType: impls.U8},
		Ops: []corpus.Op{
			{Kind: corpus.Append, N: 2, Each: []int{2, 0}},
			{Kind: corpus.Append, N: 0},
			{Kind: corpus.Append, N: 0, Each: []int{0, 0}},
			{Kind: corpus.Append, N: 3, Each: []int{0, 3}},
		},
	}
	j := judge.New()
	j.SetLimits(judge.Limits{Kinds: []corpus.Feature{corpus.Empty}})
	beams, err := caches.NewBeams(c.Shape)
	require.NoError(t, err)
	d, err := j.Cache(t.Context(), c, run.Cache(unfilled{beams}), oracle.Chunks)
	require.NoError(t, err)
	require.Nil(t, d, "%v", d)
	require.Equal(t, judge.Count{Accepted: 2, Refused: 2}, j.Counts()["append"])

	// One that takes an empty chunk all the same is found.
	beams, err = caches.NewBeams(c.Shape)
	require.NoError(t, err)
	d, err = j.Cache(t.Context(), c, run.Cache(beams), oracle.Chunks)
	require.NoError(t, err)
	require.Equal(t, corpus.FaultAccepted, d.Fault)
	require.Equal(t, 2, d.Op)
}
