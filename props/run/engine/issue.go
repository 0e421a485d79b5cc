package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

// Issue says what of the test of pytorch#159855 is run in the engine of a worker: each
// variant of its hello, "UPDATE eager" or "UPDATE compiled", and "canary".
type Issue struct {
	Choice
	Runs   int           // of each, 10 if it is 0
	Within time.Duration // the whole test, 0 for no bound
	// Say is told of each row once it is there.
	Say func(IssueRow)
}

// TransformersName is the name of transformers, whose driver is a worker.
const TransformersName = "transformers"

// The names that variants of the test have.
const (
	issueSound     = "roll eager" // today's update, as it is: the one that is measured first
	issueCanary    = "canary"
	issueRuns      = 10
	issueFullSize  = 4096
	issueKinds     = engine.Visible
	issueLayers    = 2
	issueHeads     = 8 // those of Gemma 2 2B: 8 query heads on 4
	issueKVHeads   = 4
	issueDim       = 256
	issueSmallDim  = 64 // of a window under issueSmallSize
	issueSmallSize = 1024
)

// errIssueVariants is of a worker that is not made for the test.
var errIssueVariants = errors.New("the engine's worker has no variants of the test of pytorch#159855; impls/worker/python/transformers_issue.py has")

// RunIssue runs the test. A row that could not be run says why; an error is of what hinders
// all of them.
func RunIssue(ctx context.Context, client *worker.Client, o Issue) (*IssueTable, error) {
	h, err := client.Hello(ctx)
	if err != nil {
		return nil, err
	}
	if h.Model == nil || !slices.Contains(h.Model.Variants, issueSound) {
		return nil, errIssueVariants
	}
	t := &IssueTable{Attention: h.Name, Version: h.Version, Device: h.Device}
	end := time.Now().Add(o.Within)
	models, err := o.models(h)
	if err != nil {
		return nil, err
	}
	if o.Runs == 0 {
		o.Runs = issueRuns
	}
	for _, m := range models {
		variants := slices.Clone(h.Model.Variants)
		slices.SortStableFunc(variants, func(a, b string) int { return rankIssue(a) - rankIssue(b) })
		var sound *IssueRow
		for _, v := range variants {
			row := IssueRow{Arch: m.Arch, DType: m.DType.String(), Window: m.Window, Variant: v}
			start := time.Now()
			if o.Within > 0 && start.After(end) {
				row.NotRun = "the time was up"
			} else {
				r := issueRunner{client: client, row: &row, sound: sound, runs: o.Runs}
				if o.Within > 0 {
					r.end = end
				}
				if err := r.run(ctx, m); err != nil {
					return t, err
				}
			}
			row.Seconds = time.Since(start).Seconds()
			t.Rows = append(t.Rows, row)
			if v == issueSound {
				sound = &row
			}
			if o.Say != nil {
				o.Say(row)
			}
		}
	}
	return t, nil
}

// rankIssue has the measured variant come first and the canary second: it says whether a
// race would show, and must not fall to the bound of the time.
func rankIssue(variant string) int {
	switch variant {
	case issueSound:
		return 0
	case issueCanary:
		return 1
	}
	return 2
}

// models are the checkpoints: gemma2 in F32, gemma3 in F16, which all kernels take, unless
// the choice says otherwise.
func (o *Issue) models(h *worker.Hello) (all []corpus.WindowModel, err error) {
	windows, dtypes := o.Windows, o.DTypes
	if len(windows) == 0 {
		windows = []int{issueFullSize}
	}
	for _, w := range windows {
		dim := issueDim
		if w < issueSmallSize {
			dim = issueSmallDim
		}
		for _, arch := range []string{engine.Gemma2, engine.Gemma3} {
			if len(o.Archs) > 0 && !slices.Contains(o.Archs, arch) || len(h.Model.Archs) > 0 && !slices.Contains(h.Model.Archs, arch) {
				continue
			}
			of := dtypes
			if len(of) == 0 {
				of = []impls.DType{impls.F32}
				if arch == engine.Gemma3 {
					of[0] = impls.F16
				}
			}
			for _, d := range of {
				if !slices.Contains(h.DTypes, d) {
					return nil, fmt.Errorf("--dtype %s: the engine takes %v alone", d, h.DTypes)
				}
				all = append(all, corpus.WindowModel{Window: w, Model: corpus.Model{
					Arch: arch, Kind: issueKinds, Layers: issueLayers, Heads: issueHeads, KVHeads: issueKVHeads, Dim: dim, DType: d, Seed: 1,
				}})
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("--arch: the engine takes %s of %s and %s, whose layers alternate", strings.Join(h.Model.Archs, ", "), engine.Gemma2, engine.Gemma3)
	}
	return all, nil
}

// issueRunner fills one row.
type issueRunner struct {
	client *worker.Client
	row    *IssueRow
	sound  *IssueRow // what was measured first, nil in that row itself
	runs   int
	end    time.Time // zero for no bound
}

func (r *issueRunner) run(ctx context.Context, m corpus.WindowModel) error {
	alone := r.row.Variant == issueCanary
	if alone {
		m.Heads, m.KVHeads = m.Heads/m.KVHeads, 1
	}
	r.row.Checkpoint = checkpointOf(m)
	c := corpus.IssueEngine(TransformersName, m, alone)
	b := newBackend(engine.Worker{Client: r.client, Variant: r.row.Variant}, Options{Name: c.Target.Update})
	hashes, decoded := map[uint64]bool{}, map[string]bool{}
	for range r.runs {
		if !r.end.IsZero() && time.Now().After(r.end) {
			r.row.NotRun = "the time was up"
			return nil
		}
		got, err := b.Once(ctx, c)
		if err != nil {
			return err
		}
		if got.Hash == 0 { // it gave no logits
			r.row.NotRun = got.Divergence.String()
			return nil
		}
		r.add(got, hashes, decoded)
	}
	return nil
}

// add counts a run.
func (r *issueRunner) add(got Repeated, hashes map[uint64]bool, decoded map[string]bool) {
	row := r.row
	row.Runs++
	hashes[got.Hash] = true
	row.Logits = len(hashes)
	ids := strings.Trim(strings.Join(strings.Fields(fmt.Sprint(got.Decoded)), ","), "[]")
	if !decoded[ids] {
		decoded[ids] = true
		row.Decoded = append(row.Decoded, ids)
	}
	row.Steps, row.Undecided = row.Steps+got.Steps, row.Undecided+got.Undecided
	row.Worst = max(row.Worst, got.Worst)
	wrong := got.Divergence != nil
	if s := r.sound; s != nil && row.Variant != issueCanary {
		row.Equality = !s.counted()
		// The other attention has other roundings, but not other tokens.
		wrong = wrong && !row.Equality || len(s.Decoded) > 0 && ids != s.Decoded[0]
	}
	if wrong {
		row.Wrong++
		if row.First == "" && got.Divergence != nil {
			row.First = got.Divergence.String()
		}
	}
}

// counted reports whether the error that was measured lets counts be judged.
func (r *IssueRow) counted() bool {
	return r.NotRun == "" && judge.EngineCounts{Steps: r.Steps, Undecided: r.Undecided, Worst: r.Worst}.Counted()
}
