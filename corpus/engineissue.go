package corpus

import (
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// IssueName is the scenario of pytorch#159855.
const IssueName = "issue-159855"

// The test of pytorch#159855: prompts "longer than 4096 tokens" and of a handful, which
// Gemma 2's tokenizer makes 4812 and 7 of, and 20 decodes.
const (
	issueWindow, issueLong   = 4096, 4812
	issueShort, issueDecodes = 7, 20
)

// IssueEngine is the test in an engine: two left-padded prompts, one longer than the window
// and one that is almost all padding, and the decodes. Of another window than 4096 the
// longer prompt is the same part. With lanes of one batch entry alone the shorter prompt is
// left out.
func IssueEngine(engine string, m WindowModel, alone bool) *Case {
	// Rounded up: it is longer than the window whatever that is.
	long := (m.Window*issueLong + issueWindow - 1) / issueWindow
	c := &Case{Target: window.EngineTarget(engine), Engine: &EngineCase{Model: m.Model}}
	c.Shape.Window = m.Window
	first := []Part{{Kind: PartPrompt, Request: "a", N: long}}
	decode := []Part{{Kind: PartDecode, Request: "a", N: 1}}
	if !alone {
		short := min(issueShort, long)
		first = append(first, Part{Kind: PartPrompt, Request: "b", N: short, Pad: long - short})
		decode = append(decode, Part{Kind: PartDecode, Request: "b", N: 1})
	}
	c.Engine.Ops = []EngineOp{{Kind: Forward, Parts: first}}
	for range issueDecodes {
		c.Engine.Ops = append(c.Engine.Ops, EngineOp{Kind: Forward, Parts: decode})
	}
	return c
}
