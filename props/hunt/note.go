package hunt

import (
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

// Note is what a shard says of a batch or of a case that failed: all of them are
// enough for Merge to keep the books of the whole hunt.
type Note struct {
	Last int // the number of the last case of the batch, other shards' included

	// Of a batch that has run: how many of its cases, and what came of them. Only
	// of targets whose hunt may end before its last case.
	Batch  bool                   `json:",omitempty"`
	Cases  int                    `json:",omitempty"`
	Counts map[string]judge.Count `json:",omitempty"`
	Met    map[corpus.Feature]int `json:",omitempty"`
	// Steps is what was judged by steps in it; Took and Variant are the variant's that
	// ran it, where there is one.
	Steps   *judge.EngineCounts `json:",omitempty"`
	Took    time.Duration       `json:",omitempty"`
	Variant string              `json:",omitempty"`

	// Of a case that failed: its number, how, after how long a hunt without shrinking,
	// and the finding where the shard shrunk it. Case is the case as it was drawn where
	// the failure was new and not shrunk, and of each program of what is not ours. Part
	// is the part of it that was shrunk, nil for all of it.
	Number     int                `json:",omitempty"`
	After      time.Duration      `json:",omitempty"`
	Failure    *corpus.Failure    `json:",omitempty"`
	Native     bool               `json:",omitempty"` // of a scenario: in the device's order
	Finding    *Finding           `json:",omitempty"`
	Case       *corpus.Case       `json:",omitempty"`
	Part       *corpus.Case       `json:",omitempty"`
	Divergence *corpus.Divergence `json:",omitempty"` // of Case
}

// note tells what a merge has to know.
func (h *hunter) note(n Note) { h.o.note(n) }

func (o Options) note(n Note) {
	if o.Note != nil {
		o.Note(n)
	}
}

// noteBatch tells what a merge has to know of a batch that has run, where the hunt may
// end before its last case.
func (h *hunter) noteBatch(x *batch) {
	if h.o.Note == nil || !mayEnd(h.result.Target, h.o, h.traits.Foreign) || len(x.cases) == 0 {
		return
	}
	n := Note{Last: x.last, Batch: true, Cases: len(x.found), Counts: x.counts, Met: h.met(x.cases[:len(x.found)])}
	if x.steps != (judge.EngineCounts{}) {
		n.Steps = &x.steps
	}
	if h.result.Variants != nil {
		n.Took, n.Variant = x.took, x.cases[0].Target.Variant
	}
	h.note(n)
}

// met counts the features of cases, where the hunt does.
func (h *hunter) met(cases []*corpus.Case) map[corpus.Feature]int {
	if h.result.Met == nil {
		return nil
	}
	met := map[corpus.Feature]int{}
	for _, c := range cases {
		for _, f := range corpus.FeaturesOf(c) {
			met[f]++
		}
	}
	return met
}

// mayEnd reports whether a target may end its hunt before the last case: it is caught,
// or hangs. Shards then do more than the whole hunt does, and a merge leaves that out.
func mayEnd(t window.Target, o Options, foreign bool) bool {
	return o.Cases > 0 && (foreign || !t.Sound() && o.UntilCaught > 0)
}
