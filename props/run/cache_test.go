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
