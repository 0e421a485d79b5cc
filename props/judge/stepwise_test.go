package judge_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// brittle panics at its second chunk.
type brittle struct{ n int }

func (c *brittle) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if c.n++; c.n == 2 {
		panic("no\x1b[2J more")
	}
	return keys, values, nil
}

func (c *brittle) Reset() {}

// A panic is a divergence, in words that are fit to print, whoever hands the chunk
// over.
func TestPanicIsADivergence(t *testing.T) {
	shape := impls.Shape{Batch: 1, Heads: 1, Window: 4, Dim: 1, DType: impls.U8}
	for _, hand := range []func(j *judge.Judge) *corpus.Divergence{
		func(j *judge.Judge) *corpus.Divergence {
			x := j.Next(oracle.Keys, 1)
			_, _, d := j.Give(t.Context(), x, x)
			return d
		},
		func(j *judge.Judge) *corpus.Divergence {
			return j.Step(t.Context(), corpus.Op{Kind: corpus.Append, N: 1})
		},
	} {
		j := judge.New()
		require.NoError(t, j.Start(shape, run.Cache(&brittle{}), oracle.Chunks))
		require.Nil(t, hand(j))
		d := hand(j)
		require.NotNil(t, d)
		require.Equal(t, corpus.FaultPanic, d.Fault)
		require.Equal(t, 2, d.Op)
		require.Equal(t, `no\x1b[2J more`, d.Detail)
	}
}
