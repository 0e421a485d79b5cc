package engine

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

// A run is wrong where a query saw wrongly, as far as the sound run lets counts be judged,
// or where other tokens are decoded; the canary is judged by its counts alone.
func TestIssueCountsRuns(t *testing.T) {
	diverges := &corpus.Divergence{Op: 1, OpKind: "forward", Tensor: "-", Fault: corpus.FaultRows}
	run := func(hash uint64, d *corpus.Divergence, ids ...int) Repeated {
		return Repeated{Divergence: d, EngineCounts: judge.EngineCounts{Steps: 2, Worst: 0.1}, Hash: hash, Decoded: ids}
	}
	count := func(variant string, sound *IssueRow, runs ...Repeated) IssueRow {
		row := IssueRow{Variant: variant}
		r, hashes, decoded := issueRunner{row: &row, sound: sound}, map[uint64]bool{}, map[string]bool{}
		for _, x := range runs {
			r.add(x, hashes, decoded)
		}
		return row
	}
	sound := count(issueSound, nil, run(1, nil, 5, 6), run(1, nil, 5, 6))
	assert.Equal(t, IssueRow{Variant: issueSound, Runs: 2, Logits: 1, Decoded: []string{"5,6"}, Steps: 4, Worst: 0.1}, sound)

	row := count("cat compiled", &sound, run(1, nil, 5, 6), run(2, diverges, 5, 6), run(3, nil, 5, 7))
	assert.Equal(t, 2, row.Wrong)
	assert.Equal(t, 3, row.Logits)
	assert.Equal(t, []string{"5,6", "5,7"}, row.Decoded)
	assert.Equal(t, diverges.String(), row.First)
	assert.False(t, row.Equality)
	assert.True(t, row.Unexpected())

	vague := sound
	vague.Worst = judge.EngineMargin
	row = count("cat compiled", &vague, run(2, diverges, 5, 6), run(3, nil, 5, 7))
	assert.True(t, row.Equality)
	assert.Equal(t, 1, row.Wrong, "other tokens alone")

	row = count(issueCanary, &vague, run(2, diverges, 5, 7))
	assert.False(t, row.Equality)
	assert.Equal(t, 1, row.Wrong)
	assert.False(t, row.Unexpected())
}

// The checkpoints are both architectures at the report's size, or what the choice and the
// engine leave of them.
func TestIssueModels(t *testing.T) {
	h := &worker.Hello{DTypes: []impls.DType{impls.F32, impls.F16}, Model: &worker.ModelHello{}}
	all, err := (&Issue{}).models(h)
	require.NoError(t, err)
	require.Len(t, all, 2)
	assert.Equal(t, engine.Gemma2, all[0].Arch)
	assert.Equal(t, impls.F32, all[0].DType)
	assert.Equal(t, impls.F16, all[1].DType)
	assert.Equal(t, issueFullSize, all[1].Window)
	assert.Equal(t, issueDim, all[1].Dim)

	all, err = (&Issue{Choice: Choice{Windows: []int{64}, Archs: []string{engine.Gemma3}}}).models(h)
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.Equal(t, issueSmallDim, all[0].Dim)

	_, err = (&Issue{Choice: Choice{DTypes: []impls.DType{impls.BF16}}}).models(h)
	assert.ErrorContains(t, err, "--dtype BF16")
	h.Model.Archs = []string{engine.Gemma2}
	_, err = (&Issue{Choice: Choice{Archs: []string{engine.Gemma3}}}).models(h)
	assert.ErrorContains(t, err, "--arch")
}
