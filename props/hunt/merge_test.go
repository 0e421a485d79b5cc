package hunt

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// planted is a backend of somebody else's whose cases fail by their text: one in rarity
// in each of several ways, and one in hangs hangs. It counts what it is asked, by variant
// where it has some, and steps where it has none.
type planted struct {
	rarity, hangs uint32
	variants      []string
	asked         map[string]judge.Count
	steps         judge.EngineCounts
}

func (b *planted) Traits(window.Target) run.Traits {
	return run.Traits{Batch: 5, Together: 2, Foreign: true, Quick: true, Variants: b.variants}
}

func (b *planted) Counts() map[string]judge.Count { return maps.Clone(b.asked) }

func (b *planted) Steps() (n judge.EngineCounts) {
	n, b.steps = b.steps, n
	return n
}

func (b *planted) Spawn() (run.Backend, func()) {
	return &planted{rarity: b.rarity, hangs: b.hangs, variants: b.variants}, func() {}
}

// count counts a case of a hash.
func (b *planted) count(c *corpus.Case, hash uint32) {
	if b.asked == nil {
		b.asked = map[string]judge.Count{}
	}
	n := b.asked[c.Target.Variant]
	n.Accepted++
	n.Refused += int(hash % 3)
	b.asked[c.Target.Variant] = n
	if b.variants == nil {
		b.steps.Steps += 2
		b.steps.Undecided += int(hash % 2)
		b.steps.Worst = max(b.steps.Worst, float64(hash))
	}
}

func (b *planted) Run(ctx context.Context, cases []*corpus.Case) (all []*corpus.Divergence, err error) {
	for _, c := range cases {
		h := fnv.New32a()
		h.Write(c.Text())
		b.count(c, h.Sum32())
		var d *corpus.Divergence
		switch x := h.Sum32(); {
		case b.hangs > 0 && x%b.hangs == 0:
			d = &corpus.Divergence{Op: 1, OpKind: "append", Tensor: "-", Fault: corpus.FaultHang, Detail: "no answer"}
		case x%b.rarity == 0:
			kind := fmt.Sprint("kind ", x/b.rarity%40)
			d = &corpus.Divergence{Op: 1, OpKind: kind, Tensor: "-", Fault: corpus.FaultAccepted, Detail: "taken"}
		}
		all = append(all, d)
	}
	return all, ctx.Err()
}

// bookkept is what a hunt keeps the books of.
func bookkept(t *testing.T, r Result) string {
	t.Helper()
	r.Elapsed, r.Shard = 0, Shard{}
	r.Steps.Running, r.Steps.Waited = 0, 0
	for name, v := range r.Variants {
		v.Running = 0
		r.Variants[name] = v
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		f.After, f.Shrinking = 0, 0
	}
	data, err := json.MarshalIndent(r, "", " ")
	require.NoError(t, err)
	return string(data)
}

// shardsOf hunts in so many shards.
func shardsOf(t *testing.T, of int, o Options, hunt func(Options) Result) []Part {
	t.Helper()
	parts := make([]Part, of)
	for i := range parts {
		o.Shard = Shard{i, of}
		o.Note = func(n Note) {
			// As it is kept in a file.
			data, err := json.Marshal(n)
			require.NoError(t, err)
			var kept Note
			require.NoError(t, json.Unmarshal(data, &kept))
			parts[i].Notes = append(parts[i].Notes, kept)
		}
		parts[i].Result = hunt(o)
	}
	return parts
}

// A hunt that hangs for the third time in its last batch has run all its cases, and is not
// said to have ended before.
func TestHangsInTheLastBatch(t *testing.T) {
	target := window.Target{Update: "roll", Lowering: inplace.Fused, Device: "host"}
	hunt := func(cases int) Result {
		all := run.Local()
		all.ByDevice[target.Device] = &planted{rarity: 1 << 31, hangs: 40}
		r, err := Hunt(t.Context(), all, target, Options{Seed: 3, Cases: cases, ShrinkTime: 1})
		require.NoError(t, err)
		return r
	}
	r := hunt(1000)
	require.Equal(t, "it hung 3 times at append", r.Ended)
	r = hunt(r.Cases)
	require.Equal(t, 3, r.Findings[0].Seen)
	require.Empty(t, r.Ended)
}

// The books of shards, merged, are those of the whole hunt: where more failures are
// found than are shrunk, where the target ends the hunt by hanging, in a variant too, and
// where it is known to be bad and ends it once caught; and those of several backends at once are too.
func TestMergeKeepsTheBooks(t *testing.T) {
	for name, x := range map[string]struct {
		backend planted
		target  window.Target
		ended   bool
	}{
		"some":            {planted{rarity: 30}, window.Target{Update: "roll", Lowering: inplace.Fused, Device: "host"}, false},
		"many":            {planted{rarity: 2}, window.Target{Update: "roll", Lowering: inplace.Fused, Device: "host"}, false},
		"hangs":           {planted{rarity: 7, hangs: 40}, window.Target{Update: "roll", Lowering: inplace.Fused, Device: "host"}, true},
		"variants":        {planted{rarity: 9, variants: []string{"a", "b"}}, window.Target{Update: "program", Device: window.Worker}, false},
		"variants hang":   {planted{rarity: 9, hangs: 40, variants: []string{"a", "b"}}, window.Target{Update: "program", Device: window.Worker}, true},
		"caught":          {planted{rarity: 50}, window.Target{Update: "crop-zero", Lowering: inplace.Fused, Device: "host"}, true},
		"caught at once":  {planted{rarity: 1}, window.Target{Update: "crop-zero", Lowering: inplace.Fused, Device: "host"}, true},
		"nothing is seen": {planted{rarity: 1 << 31}, window.Target{Update: "crop-zero", Lowering: inplace.Fused, Device: "host"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			// No time to shrink: that has tests of its own.
			o := Options{Seed: 3, Cases: 302, UntilCaught: 302, ShrinkTime: 1}
			hunt := func(o Options) Result {
				b, all := x.backend, run.Local()
				all.ByDevice[x.target.Device] = &b
				r, err := Hunt(t.Context(), all, x.target, o)
				require.NoError(t, err)
				return r
			}
			whole := hunt(o)
			assert.Equal(t, x.ended, whole.Cases < o.Cases, "%d cases", whole.Cases)
			jobs := o
			jobs.Jobs = 3
			assert.Equal(t, bookkept(t, whole), bookkept(t, hunt(jobs)))
			for _, of := range []int{1, 3, 64} {
				parts := shardsOf(t, of, o, hunt)
				cases := 0
				for _, p := range parts {
					cases += p.Result.Cases
				}
				assert.GreaterOrEqual(t, cases, whole.Cases)
				if !x.ended {
					assert.Equal(t, o.Cases, cases, "each case in one shard")
				}
				merged, err := Merge(t.Context(), nil, x.target, o, parts, true)
				require.NoError(t, err)
				assert.Equal(t, bookkept(t, whole), bookkept(t, merged), "%d shards", of)
				// Without all of them counts add up, and every failure is told.
				merged, err = Merge(t.Context(), nil, x.target, o, parts, false)
				require.NoError(t, err)
				assert.Equal(t, cases, merged.Cases)
				assert.GreaterOrEqual(t, len(merged.Findings), len(whole.Findings))
			}
		})
	}
}

// Where programs fail by several faults the worker is asked for what no shard has run, and
// the findings are those of the whole hunt; where that is cut short, what is known stands.
func TestMergeWithTheWorker(t *testing.T) {
	target := window.Target{Update: "program", Device: window.Worker}
	b, _, err := backends(t.Context(), testWorker(t, "two faults"), nil)
	require.NoError(t, err)
	o := Options{Seed: 1, Cases: 200, ShrinkTime: 20 * time.Second}
	hunt := func(o Options) Result {
		r, err := Hunt(t.Context(), b, target, o)
		require.NoError(t, err)
		return r
	}
	whole := hunt(o)
	parts := shardsOf(t, 3, o, hunt)
	merged, err := Merge(t.Context(), b, target, o, parts, true)
	require.NoError(t, err)
	require.Equal(t, bookkept(t, whole), bookkept(t, merged))

	ctx, stop := context.WithCancel(t.Context())
	stop()
	merged, err = Merge(ctx, b, target, o, parts, true)
	require.NoError(t, err)
	require.True(t, merged.Interrupted)
	require.NotEmpty(t, merged.Findings)

	// It dies at the first request, and does not start again.
	dir := t.TempDir()
	dead, _, err := backends(t.Context(), testWorker(t, startsAs+"10 in "+dir+"/process: killed in 1, of "+dir+"/requests"), nil)
	require.NoError(t, err)
	merged, err = Merge(t.Context(), dead, target, o, parts, true)
	require.ErrorContains(t, err, "and what follows is told without the worker: the worker does not start again: ")
	require.Equal(t, whole.Cases, merged.Cases)
	require.NotEmpty(t, merged.Findings)
	processes, err := filepath.Glob(dir + "/process*")
	require.NoError(t, err)
	require.LessOrEqual(t, len(processes), 8, "it is given up")
}

// A part that is not shrunk, for there are too many findings, does not stand for the case
// that a merge takes apart anew.
func TestNoteHasTheWholeProgram(t *testing.T) {
	b, _, err := backends(t.Context(), testWorker(t, "two faults"), nil)
	require.NoError(t, err)
	var note *Note
	o := Options{Seed: 1, Cases: 100, Note: func(n Note) { note = &n }}
	h, err := newHunter(b, window.Target{Update: "program", Device: window.Worker}, o, &Result{})
	require.NoError(t, err)
	h.most = 0
	apart := 0
	for i := range o.Cases {
		c := h.draw()
		d, err := b.One(t.Context(), c)
		require.NoError(t, err)
		if d == nil {
			continue
		}
		clear(h.unshrunk)
		require.NoError(t, h.judged(t.Context(), c, i+1, d))
		require.Equal(t, string(c.Text()), string(note.Case.Text()))
		if h.comesApart(*note.Failure, c) {
			apart++
		}
	}
	require.Positive(t, apart)
}
