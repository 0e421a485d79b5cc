package run_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// blank is a cache that returns nothing.
type blank struct{}

func (blank) Update(_, _ impls.Tensor) (k, v impls.Tensor, err error) { return k, v, nil }
func (blank) Reset()                                                  {}

// uncropped is one that refuses crops.
type uncropped struct{ blank }

func (uncropped) Crop(int) error { return errors.New("no") }

// A crop is to blame for wrong rows if the cache was asked for it and refused, and
// not if it has no Crop; and what is to blame is called what it is.
func TestWhatWasRefusedIsToBlame(t *testing.T) {
	c := &corpus.Case{
		Shape: impls.Shape{Batch: 1, Heads: 1, Window: 2, Dim: 1, DType: impls.U8},
		Ops:   []corpus.Op{{Kind: corpus.Crop}, {Kind: corpus.Append, N: 1}},
	}
	j := judge.New()
	for _, contract := range []oracle.Contract{oracle.Single, oracle.Chunks} {
		d, err := j.Cache(t.Context(), c, run.Cache(uncropped{}), contract)
		require.NoError(t, err)
		require.Equal(t, corpus.FaultChanged, d.Fault)
		require.Contains(t, d.String(), "the crop that was refused at op 1 changed the cache")

		d, err = j.Cache(t.Context(), c, run.Cache(blank{}), contract)
		require.NoError(t, err)
		require.Equal(t, corpus.FaultShape, d.Fault)
	}
}

// closed is a cache that refuses every chunk.
type closed struct{ blank }

func (closed) Update(_, _ impls.Tensor) (k, v impls.Tensor, err error) {
	return k, v, errors.New("no")
}

// A chunk that Give handed over and the cache refused says what it was, and leaves
// no tokens.
func TestGiveSaysWhatWasRefused(t *testing.T) {
	j := judge.New()
	require.NoError(t, j.Start(impls.Shape{Batch: 1, Heads: 1, Window: 2, Dim: 1, DType: impls.U8}, run.Cache(closed{}), oracle.Chunks))
	x := j.Next(oracle.Keys, 3)
	_, _, d := j.Give(t.Context(), x, x)
	require.Equal(t, corpus.FaultRefused, d.Fault)
	require.Contains(t, d.String(), "3 rows after 0 in a window of 2: no")
	require.Equal(t, 0, j.History().Len(0))
}
