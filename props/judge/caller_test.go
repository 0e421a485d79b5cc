package judge_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	builtin "github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/oracle"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// scribbling is a sound cache that changes one byte of the caller's tensor once it has
// stored its rows.
type scribbling struct {
	*builtin.WindowCache
	tensor, lane, op int
}

func (c *scribbling) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	k, v, err = c.WindowCache.Update(keys, values)
	if c.op--; c.op == 0 {
		changed := [2]*impls.Tensor{&keys, &values}[c.tensor]
		changed.Row(c.lane, 0)[0]++
	}
	return k, v, err
}

// A changed tensor of the caller is seen at the operation that changed it, in whichever
// tensor and lane, also where a judge has had cases of the shape before and so makes chunks
// from rows that it keeps; and those are as they were for the next case.
func TestCallersTensors(t *testing.T) {
	for _, layout := range []impls.Layout{impls.HeadsFirst, impls.TokensFirst} {
		shape := impls.Shape{Batch: 2, Heads: 2, Window: 3, Dim: 2, DType: impls.F32, Layout: layout}
		j := judge.New()
		for tensor := range 2 {
			for lane := range shape.Lanes() {
				for op := range 5 { // none of them is changed by 0
					cache, err := builtin.New(builtin.Target{Update: "roll", Lowering: inplace.Fused, Device: "sim"}, shape, 4)
					require.NoError(t, err)
					d, err := j.Cache(t.Context(), &corpus.Case{Shape: shape, Ops: appends(2, 1, 1, 4)}, run.Cache(&scribbling{cache, tensor, lane, op}), oracle.Single)
					require.NoError(t, err)
					if op == 0 {
						require.Nil(t, d, "%v", d)
						continue
					}
					require.NotNil(t, d)
					require.Equal(t, []any{corpus.FaultCaller, op, oracle.Tensor(tensor).String()}, []any{d.Fault, d.Op, d.Tensor})
				}
			}
		}
	}
}
