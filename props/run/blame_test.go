package run

import (
	"errors"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// A refusal is blamed if the case fails each time with it, and never without.
func TestBlame(t *testing.T) {
	found := func() *corpus.Divergence {
		return &corpus.Divergence{Op: 4, OpKind: "append", Tensor: "keys", Where: "returned", Fault: corpus.FaultRows}
	}
	c := &corpus.Case{Ops: []corpus.Op{{Kind: corpus.Append, N: 1}, {Kind: corpus.Crop}, {Kind: corpus.Append, N: 3}, {Kind: corpus.Append, N: 1}}}
	has := func(c *corpus.Case, n int) bool {
		return slices.ContainsFunc(c.Ops, func(o corpus.Op) bool { return o.Kind == corpus.Append && o.N == n })
	}
	crops := func(c *corpus.Case) bool {
		return slices.ContainsFunc(c.Ops, func(o corpus.Op) bool { return o.Kind == corpus.Crop })
	}
	runs := 0
	for name, x := range map[string]struct {
		fails func(*corpus.Case) bool
		says  string
	}{
		"the last":       {func(c *corpus.Case) bool { return has(c, 3) }, "the append that was refused at op 3 changed the cache"},
		"one before it":  {crops, "the crop that was refused at op 2 changed the cache"},
		"neither":        {func(c *corpus.Case) bool { return has(c, 1) }, ""},
		"now and then":   {func(c *corpus.Case) bool { runs++; return runs%2 == 0 && has(c, 3) }, ""},
		"never again":    {func(*corpus.Case) bool { return false }, ""},
		"two are needed": {func(c *corpus.Case) bool { return has(c, 3) && crops(c) }, "the append that was refused at op 3 changed the cache"},
	} {
		runs = 1
		d, err := Blame(found(), c, []int{2, 3}, func(c *corpus.Case) (*corpus.Divergence, error) {
			if x.fails(c) {
				return found(), nil
			}
			return nil, nil
		})
		require.NoError(t, err)
		if x.says == "" {
			require.Equal(t, found(), d, name)
			continue
		}
		require.Equal(t, corpus.FaultChanged, d.Fault, name)
		require.Contains(t, d.Detail, x.says, name)
	}
	never := func(*corpus.Case) (*corpus.Divergence, error) { return nil, errors.New("asked") }
	d, err := Blame(found(), c, nil, never)
	require.NoError(t, err)
	require.Equal(t, found(), d, "nothing was refused")
	taken := &corpus.Divergence{Fault: corpus.FaultAccepted}
	d, err = Blame(taken, c, []int{2}, never)
	require.NoError(t, err)
	require.Equal(t, corpus.FaultAccepted, d.Fault, "no rows are wrong")
	d, err = Blame(nil, c, []int{2}, never)
	require.NoError(t, err)
	require.Nil(t, d)
	_, err = Blame(found(), c, []int{2}, never)
	require.EqualError(t, err, "asked")
}
