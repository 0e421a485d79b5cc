package props

import (
	"context"
	"testing"

	"github.com/leanovate/gopter"
	"github.com/leanovate/gopter/commands"
	"github.com/leanovate/gopter/gen"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/oracle"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// system is a cache under a judge: what gopter's commands run on.
type system struct{ j *judge.Judge }

// statefulShape is the shape of the cache that commands run on.
var statefulShape = impls.Shape{Batch: 2, Heads: 1, Window: 5, Dim: 2, DType: impls.BF16, Layout: impls.TokensFirst}

// command is one operation of a case as a command. Its state is corpus.Lengths: the
// number of tokens decides which operations a case may hold next.
type command struct{ op corpus.Op }

func (c command) String() string { return c.op.String() }

func (c command) Run(s commands.SystemUnderTest) commands.Result {
	if d := s.(*system).j.Step(context.Background(), c.op); d != nil {
		return d
	}
	return nil
}

func (c command) NextState(s commands.State) commands.State {
	at := s.(corpus.Lengths)
	at.After(&c.op, statefulShape)
	return at
}

// PreCondition keeps a run below 200 tokens, so that its history stays short.
func (c command) PreCondition(s commands.State) bool {
	at := s.(corpus.Lengths)
	return at.Len()+c.op.Tokens() < 200
}

func (c command) PostCondition(_ commands.State, r commands.Result) *gopter.PropResult {
	if d, ok := r.(*corpus.Divergence); ok && d != nil {
		return &gopter.PropResult{Status: gopter.PropFalse, Labels: []string{d.String()}}
	}
	return &gopter.PropResult{Status: gopter.PropTrue}
}

// stateful runs commands against a fresh cache of a target each time.
func stateful(t *testing.T, target window.Target) *gopter.TestResult {
	t.Helper()
	proto := &commands.ProtoCommands{
		NewSystemUnderTestFunc: func(commands.State) commands.SystemUnderTest {
			cache, err := window.New(target, statefulShape, 3)
			if err != nil {
				panic(err)
			}
			cache.Order = func(_, _, blocks int) []int32 { return inplace.Schedule{Kind: inplace.Descending}.Order(blocks) }
			j := judge.New()
			if err := j.Start(statefulShape, run.Cache(cache), oracle.Single); err != nil {
				panic(err)
			}
			return &system{j}
		},
		InitialStateGen: gen.Const(corpus.NewLengths(statefulShape)),
		GenCommandFunc: func(commands.State) gopter.Gen {
			return gen.Weighted([]gen.WeightedGen{
				{Weight: 6, Gen: gen.Const(command{corpus.Op{Kind: corpus.Append, N: 1}})},
				{Weight: 3, Gen: gen.IntRange(0, 12).Map(func(n int) command { return command{corpus.Op{Kind: corpus.Append, N: n}} })},
				{Weight: 1, Gen: gen.Const(command{corpus.Op{Kind: corpus.Reset}})},
				{Weight: 1, Gen: gen.IntRange(0, 8).Map(func(n int) command { return command{corpus.Op{Kind: corpus.Crop, N: n}} })},
				{Weight: 1, Gen: gen.IntRange(0, 1).Map(func(n int) command { return command{corpus.Op{Kind: corpus.Snapshot, N: n}} })},
				{Weight: 1, Gen: gen.IntRange(0, 1).Map(func(n int) command { return command{corpus.Op{Kind: corpus.Restore, N: n}} })},
			}).Map(func(c command) commands.Command { return c })
		},
	}
	return commands.Prop(proto).Check(Parameters(t))
}

func TestStatefulRuns(t *testing.T) {
	t.Parallel()
	for _, target := range soundTargets(false) {
		if target.Device != "sim" || target.Lowering != inplace.Fused {
			continue // the lowerings are compared by the properties above
		}
		if result := stateful(t, target); !result.Passed() {
			t.Errorf("%s: %s %v %v", target, result.Status, result.Labels, result.Args)
		}
	}
	// A known-bad target must fail.
	bad := window.Target{Update: "roll", Lowering: inplace.DropWAR, Device: "sim"}
	if stateful(t, bad).Passed() {
		t.Errorf("%s passed", bad)
	}
}
