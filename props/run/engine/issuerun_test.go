package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/engine"
	"github.com/slidefuzz/slidefuzz/impls/engine/reference"
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// issueWorkerArg makes the test binary a worker with the variants of the test of
// pytorch#159855; the next argument is what is wrong in it.
const issueWorkerArg = "serve-test-issue"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == issueWorkerArg {
		if err := serveIssue(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// noVariants makes it a worker of another engine.
const noVariants = "no variants"

// issueVariants are those of the worker, in another order than the test has them.
var issueVariants = []string{"cat eager", "cat compiled", issueCanary, issueSound}

// serveIssue serves the reference engine with a fault in each variant that faults names,
// as "cat compiled=value-row-moved;canary=row-shared".
func serveIssue(faults string) error {
	w := &issueWorker{faults: map[string]string{}}
	for part := range strings.SplitSeq(faults, ";") {
		if name, fault, ok := strings.Cut(part, "="); ok {
			w.faults[name] = fault
		}
	}
	hello := worker.Hello{
		Name: "eager", Version: "1", Device: "cpu", DTypes: []impls.DType{impls.F32, impls.F16},
		Model: &worker.ModelHello{Padding: true, Formats: []string{string(engine.HF)}, Archs: []string{engine.Gemma2, engine.Gemma3}, Variants: issueVariants},
	}
	if faults == noVariants {
		hello.Model.Variants = nil
	}
	return worker.ServeModel(context.Background(), os.Stdin, os.Stdout, hello, w)
}

// issueWorker is a sound engine, or the one with the fault of the variant that is loaded.
type issueWorker struct {
	engine.Served
	faults map[string]string
}

func (w *issueWorker) LoadVariant(ctx context.Context, path, format, variant string, window int) error {
	switch fault := w.faults[variant]; fault {
	case "exits":
		os.Exit(7)
	case "refuses":
		return errors.New("no kernel of that shape")
	default:
		e, err := reference.New(reference.Options{Fault: fault})
		if err != nil {
			return err
		}
		w.Driver = e
	}
	return w.Load(ctx, path, format, window)
}

// runIssue runs the test at a window of 8 in the worker with faults.
func runIssue(t *testing.T, faults string, change func(*Issue)) (*IssueTable, error) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	t.Setenv("SLIDEFUZZ_CACHE", t.TempDir())
	c := &worker.Client{Args: []string{self, issueWorkerArg, faults}, Timeout: time.Minute}
	t.Cleanup(c.Kill)
	o := Issue{Choice: Choice{Windows: []int{8}, Archs: []string{engine.Gemma3}, DTypes: []impls.DType{impls.F32}}, Runs: 2}
	if change != nil {
		change(&o)
	}
	return RunIssue(t.Context(), c, o)
}

// rowOf is the row of a variant.
func rowOf(t *testing.T, table *IssueTable, variant string) *IssueRow {
	t.Helper()
	for i := range table.Rows {
		if table.Rows[i].Variant == variant {
			return &table.Rows[i]
		}
	}
	t.Fatalf("no row of %s", variant)
	return nil
}

// A worker with a sound update and a canary: the sound variant is run first, the canary
// second, each as often as was asked, and the checkpoints can be made again.
func TestRunIssue(t *testing.T) {
	var said []string
	table, err := runIssue(t, "canary=value-row-moved", func(o *Issue) { o.Say = func(r IssueRow) { said = append(said, r.Variant) } })
	require.NoError(t, err)
	assert.Equal(t, []string{issueSound, issueCanary, "cat eager", "cat compiled"}, said)
	assert.Equal(t, []string{"eager", "1", "cpu"}, []string{table.Attention, table.Version, table.Device})
	require.Len(t, table.Rows, 4)
	for i := range table.Rows {
		r := &table.Rows[i]
		assert.Equal(t, []any{engine.Gemma3, "F32", 8, 2, ""}, []any{r.Arch, r.DType, r.Window, r.Runs, r.NotRun}, r.Variant)
		assert.False(t, r.Unexpected(), r.String())
		assert.Equal(t, 1, r.Logits, r.Variant)
		require.Len(t, r.Decoded, 1, r.Variant)
	}
	canary := rowOf(t, table, issueCanary)
	assert.Equal(t, 2, canary.Wrong)
	assert.Contains(t, canary.String(), "canary wrong in 2 of 2 runs, as it must be")
	assert.Contains(t, canary.First, "request a")
	assert.Equal(t, 1, canary.Checkpoint.KVHeads, "one lane")
	sound := rowOf(t, table, issueSound)
	assert.Zero(t, sound.Wrong)
	assert.Equal(t, 2*21, sound.Steps)
	assert.Equal(t, 2*21, strings.Count(sound.Decoded[0], ",")+1, "two requests")
	assert.Equal(t, &IssueCheckpoint{
		Kind: engine.Visible, Layers: 2, Heads: 8, KVHeads: 4, Dim: 64, Seed: 1,
		Command: "slidefuzz engine checkpoint ./checkpoint --arch gemma3 --kind visible --window 8 --layers 2 --heads 8 --kv 4 --dim 64 --dtype F32 --seed 1",
	}, sound.Checkpoint)

	text, err := json.Marshal(table)
	require.NoError(t, err)
	again := &IssueTable{}
	require.NoError(t, json.Unmarshal(text, again))
	assert.Equal(t, table, again)

	var page strings.Builder
	sdpa := *table
	sdpa.Attention = "sdpa"
	ok, err := WriteIssue(&page, []*IssueTable{again, &sdpa})
	require.NoError(t, err)
	assert.True(t, ok, page.String())
	assert.Contains(t, page.String(), "| gemma3 F32, W=8 | cat compiled | right 2/2, 1 | right 2/2, 1 |\n")
	assert.Contains(t, page.String(), "| gemma3 F32, W=8 | canary | **wrong 2/2**, 1 | **wrong 2/2**, 1 |\n")
	assert.Equal(t, 1, strings.Count(page.String(), "the checkpoint of its updates: `slidefuzz engine checkpoint ./checkpoint --arch gemma3"))
	assert.Equal(t, 1, strings.Count(page.String(), "the checkpoint of its canary: `"))
}

// An update that goes wrong is counted in all its runs, one whose worker ends or refuses is
// told, and the rows after them are run nevertheless.
func TestRunIssueFaults(t *testing.T) {
	table, err := runIssue(t, "cat eager=value-row-moved;cat compiled=exits;canary=refuses", nil)
	require.NoError(t, err)
	wrong := rowOf(t, table, "cat eager")
	assert.Equal(t, []int{2, 2}, []int{wrong.Runs, wrong.Wrong}, wrong.String())
	assert.True(t, wrong.Unexpected())
	ended := rowOf(t, table, "cat compiled")
	assert.Contains(t, ended.NotRun, "7", "its exit status")
	assert.True(t, ended.Unexpected())
	assert.Contains(t, rowOf(t, table, issueCanary).NotRun, "no kernel of that shape")
	assert.Equal(t, 0, rowOf(t, table, issueSound).Wrong)
	var page strings.Builder
	ok, err := WriteIssue(&page, []*IssueTable{table})
	require.NoError(t, err)
	assert.False(t, ok)
	assert.Contains(t, page.String(), "**eager, gemma3 F32, window 8, cat eager: WRONG in 2 of 2 runs")
	assert.Contains(t, page.String(), "| cat compiled | not run |")
}

// When the time is up the rows that were not run say so; a worker without the variants is
// an error.
func TestRunIssueLimits(t *testing.T) {
	table, err := runIssue(t, "", func(o *Issue) { o.Within = time.Nanosecond })
	require.NoError(t, err)
	require.Len(t, table.Rows, 4)
	for i := range table.Rows {
		assert.Equal(t, "the time was up", table.Rows[i].NotRun)
	}
	_, err = runIssue(t, "", func(o *Issue) { o.Archs = []string{engine.Mistral} })
	require.ErrorContains(t, err, "--arch")

	_, err = runIssue(t, noVariants, nil)
	require.ErrorIs(t, err, errIssueVariants)
}
