package corpus

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// Scenario is a named list of cases.
type Scenario struct {
	Name, About string
	Limit       int64 // bytes a case may take
	Cases       func() []*Case
}

// Scenarios lists the built-in ones.
func Scenarios() []Scenario { return slices.Clone(scenarios) }

var scenarios = []Scenario{{
	Name:  IssueName,
	About: "the size of pytorch#159855: Gemma 2, two left-padded prompts of 4812 and 7 tokens, 20 decodes",
	Limit: 1 << 30,
	Cases: issue159855,
}}

// issue159855 is each update that keeps the contract, under each lowering, on
// each device: in a random order of blocks, and on devices that have an order
// of their own in that. The known-bad updates are left out, since nothing in
// the report's run leaves the contract.
func issue159855() []*Case {
	var cases []*Case
	add := func(t window.Target, order inplace.Schedule) {
		c := &Case{
			// Gemma 2 2B: 4 KV heads, head dim 256, sliding window 4096.
			Shape:    impls.Shape{Batch: 2, Heads: 4, Window: issueWindow, Dim: 256, DType: impls.BF16},
			Target:   t,
			Block:    1024, // cells a block that Inductor's pointwise kernels commonly take
			Schedule: order,
			Ops:      []Op{{Kind: Append, N: issueLong, Pad: []int{0, issueLong - issueShort}}},
		}
		for range issueDecodes {
			c.Ops = append(c.Ops, Op{Kind: Append, N: 1})
		}
		cases = append(cases, c)
	}
	for _, device := range window.Devices() {
		for _, t := range window.TargetsOn(device) {
			if u, ok := window.LookupUpdate(t.Update); !ok || !u.Sound() {
				continue
			}
			if !window.OrdersItself(device) {
				add(t, inplace.Schedule{Kind: inplace.Random, Seed: 159855})
			}
			if device != "sim" {
				add(t, inplace.Schedule{Kind: inplace.Native})
			}
		}
	}
	return cases
}
