package hunt

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	rworker "github.com/slidefuzz/slidefuzz/props/run/worker"
)

// A worker that lies is survived, and the finding names what it did.
func TestLiars(t *testing.T) {
	for _, x := range []struct {
		kind  string
		fault corpus.Fault
		says  string
	}{
		{"wrong shape", corpus.FaultShape, "returned ["},
		{"short frame", corpus.FaultHang, "no reply to update in 500ms, and slidefuzz killed its process"},
		{"exit in mid-reply", corpus.FaultCrash, "its process ended (exit status 3) in the middle of a reply (a message that ends after"},
		{"huge header", corpus.FaultProtocol, "a header of 1099511627776 bytes, more than 1048576"},
		{"chatter", corpus.FaultProtocol, `does the worker print "Compilin" to standard output?`},
		{"silence", corpus.FaultHang, "no reply to update in 500ms, and slidefuzz killed its process"},
		{"no JSON", corpus.FaultProtocol, "a header that is no JSON object"},
		{"offsets", corpus.FaultProtocol, "shape [1 1 9 9] of F32 takes 324 bytes, data_offsets [0, 4] give 4"},
		{"two replies", corpus.FaultProtocol, ""}, // seen at once, or in that the next reply fits no request
		{"position it does not hold", corpus.FaultRows, "holds token"},
		{"refusal that changes the cache", corpus.FaultRefused, "one row at a time"},
		{"daemon", corpus.FaultCrash, "its process ended (exit status 9)"},
		{"daemon without an environment", corpus.FaultCrash, "its process ended (exit status 9)"},
		{"closes its output in mid-reply", corpus.FaultProtocol, "it closed its standard output in the middle of a reply (a message that ends after"},
		{"closes its output", corpus.FaultProtocol, "it closed its standard output and still ran 2s later, and slidefuzz killed it"},
		{"killed by another", corpus.FaultCrash, "its process ended (signal: killed; slidefuzz did not kill it"},
		{"words that a terminal obeys", corpus.FaultRefused, "no\\x1b[2J</p> ``` \\u202eroom"},
		{"memory", corpus.FaultCrash, "MiB of memory, and slidefuzz killed it; --worker-memory raises the limit"},
	} {
		t.Run(x.kind, func(t *testing.T) {
			t.Parallel() // most of them wait
			if strings.HasPrefix(x.kind, "daemon") && runtime.GOOS != "linux" {
				t.Skip("elsewhere a daemon may stay")
			}
			client := testWorker(t, x.kind)
			cases, shrink := 8, 500*time.Millisecond
			if testing.Short() {
				shrink = 100 * time.Millisecond
			}
			switch x.kind {
			case "short frame", "silence":
				client.Timeout, cases = 500*time.Millisecond, maxHangs // each case waits so long, and that many end the hunt
				if testing.Short() {
					cases = 2
				}
			case "memory":
				client.Memory, cases = 200<<20, 1
			case "daemon without an environment":
				// It has hung only if its process still runs.
				client.Timeout, cases = 500*time.Millisecond, 1
			case "closes its output", "closes its output in mid-reply", "daemon":
				cases = 1
			}
			start := time.Now()
			defer func() { require.Less(t, time.Since(start), 20*time.Second) }()
			r, err := huntIn(t.Context(), client, window.WorkerTarget("test"), nil, Options{Seed: 1, Cases: cases, ShrinkTime: shrink})
			require.NoError(t, err)
			require.Equal(t, cases, r.Cases, "the hunt goes on")
			require.NotEmpty(t, r.Findings)
			i := 0
			for i < len(r.Findings) && r.Findings[i].Divergence.Fault != x.fault {
				i++
			}
			require.Less(t, i, len(r.Findings), "%v", r.Findings[0].Divergence)
			d := r.Findings[i].Divergence
			require.Contains(t, d.String(), x.says)
			require.NotNil(t, r.Findings[i].Small.Expect)
			if x.fault == corpus.FaultCrash || x.fault == corpus.FaultHang || x.fault == corpus.FaultProtocol {
				require.Greater(t, client.Starts(), 1, "a fresh worker after each failure")
			}
			if x.kind == "exit in mid-reply" {
				require.Contains(t, d.String(), "Segmentation fault, they say", "the last line of standard error")
			}
		})
	}
}

// What a refusal did to the cache shows in the rows that come next, and the
// refusal is named.
func TestRefusalThatChanges(t *testing.T) {
	t.Parallel()
	client := testWorker(t, "refusal that changes the cache")
	r, err := huntIn(t.Context(), client, window.WorkerTarget("test"), nil, Options{Seed: 1, Cases: 200, ShrinkTime: 5 * time.Second})
	require.NoError(t, err)
	for _, f := range r.Findings {
		if f.Divergence.Fault == corpus.FaultChanged {
			require.Contains(t, f.Divergence.Detail, "changed the cache")
			require.LessOrEqual(t, len(f.Small.Ops), 3, "%s", f.Small.Text())
			return
		}
	}
	t.Fatalf("no finding says that a refusal changed the cache: %v", r.Findings)
}

// Workers that do nothing wrong are not blamed, however much they print.
func TestHonestWorkers(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"honest", "flood on stderr"} {
		client := testWorker(t, kind)
		r, err := huntIn(t.Context(), client, window.WorkerTarget("test"), nil, Options{Seed: 1, Cases: 200})
		require.NoError(t, err)
		require.Equal(t, 200, r.Cases)
		require.Empty(t, r.Findings, kind)
		require.Positive(t, r.Met[corpus.Exact])
		require.Positive(t, r.Met[corpus.Crossing])
		require.Equal(t, 1, client.Starts())
		require.NoError(t, client.Close(t.Context()))
		require.NoError(t, rworker.Check(t.Context(), testWorker(t, kind), func(string) {}))
	}
}

// A worker that does not start is no finding: nothing was asked of it.
func TestWorkerThatDoesNotStart(t *testing.T) {
	client := testWorker(t, "exit at the start")
	_, err := huntIn(t.Context(), client, window.WorkerTarget("test"), nil, Options{Seed: 1, Cases: 1})
	require.ErrorContains(t, err, "no such model")
	none := &worker.Client{Args: []string{"/no/such/command"}}
	_, err = huntIn(t.Context(), none, window.WorkerTarget("test"), nil, Options{Seed: 1, Cases: 1})
	require.ErrorContains(t, err, "starting the worker")
}

// Features that are left out do not occur.
func TestWithout(t *testing.T) {
	t.Parallel()
	client := testWorker(t, "honest")
	r, err := huntIn(t.Context(), client, window.WorkerTarget("test"), []corpus.Feature{corpus.Crossing, corpus.Empty, corpus.MismatchedChunks, corpus.WindowOne}, Options{Seed: 1, Cases: 300})
	require.NoError(t, err)
	for _, f := range []corpus.Feature{corpus.Crossing, corpus.Empty, corpus.MismatchedChunks, corpus.OtherBatch, corpus.WindowOne, corpus.Crops, corpus.Snapshots} {
		require.Zero(t, r.Met[f], f)
	}
	require.Positive(t, r.Met[corpus.Resets])
	require.Positive(t, r.Met[corpus.LongChunks])
}

// A race that shows in a few runs of many is shrunk to one that still shows,
// and counted.
func TestShrinkFlaky(t *testing.T) {
	t.Parallel()
	client := testWorker(t, "race")
	cases := 60
	if testing.Short() {
		cases = 15
	}
	// Five seconds do; a busy machine and the race detector take longer.
	r, err := huntIn(t.Context(), client, window.WorkerTarget("test"), nil, Options{Seed: 1, Cases: cases, ShrinkTime: time.Minute})
	require.NoError(t, err)
	require.NotEmpty(t, r.Findings)
	counted := 0
	for _, f := range r.Findings {
		require.Equal(t, corpus.FaultRows, f.Divergence.Fault, "the same failure: %s", f.Divergence)
		runs := f.Divergence.Runs
		require.NotNil(t, runs)
		if runs.Wrong == 0 {
			require.Equal(t, flakyRuns, runs.Of, "seen once and never again: left as it was found")
			continue
		}
		counted++
		require.Equal(t, confirmRuns, runs.Of)
		require.False(t, f.Stats.Minimal, "nothing is proven of what fails sometimes")
		require.LessOrEqual(t, len(f.Small.Ops), 3, "%s", f.Small.Text())
		require.LessOrEqual(t, f.Small.Shape.Window, 3, "%s", f.Small.Text())
	}
	require.Positive(t, counted)
}

// What fails at another operation each time is counted at the one that the case
// expects.
func TestCountAtOp(t *testing.T) {
	t.Parallel()
	c, err := corpus.Parse("case", []byte("slidefuzz case v1\nshape batch=1 heads=1 window=2 dim=1 dtype=U8 layout=heads-first\n"+
		"target worker/test\nblock 1\nschedule native\n"+strings.Repeat("append 1\n", 6)), corpus.DefaultLimit)
	require.NoError(t, err)
	all, _, err := backends(t.Context(), testWorker(t, "crash at any update"), nil)
	require.NoError(t, err)
	r := &Runner{Backends: all}
	f := &flaky{r: r, want: corpus.Failure{Target: c.Target, OpKind: "append", Tensor: "-", Fault: corpus.FaultCrash}}
	// Two of three crash at the first update, 40 ± 4 of these; two of nine at the
	// second, 13 ± 3; and nearly all somewhere.
	const n = 60
	runs := f.count(t.Context(), c, n)
	require.Equal(t, n, runs.Of)
	require.Equal(t, 1, f.last.Op, "the operation where most of them crash")
	require.Less(t, runs.Wrong, n-4, "those that crash there")
}

// A run that came to nothing because the worker ended says nothing of a fault that always
// shows: no count and no candidate has it against it, and it is told. Of a worker that ends
// each time, that is the finding.
func TestRunsLostToTheWorker(t *testing.T) {
	t.Parallel()
	const lost = " lost to a worker that ended, hung or answered nonsense"
	numbers := func(from, to int) (list string) {
		for n := from; n <= to; n++ {
			list += fmt.Sprintf("%d,", n)
		}
		return list
	}
	const program = "buffer x 4\nbuffer y 2\nx[[2, 0, 1]] = x[1:4]\ny[0:1] = x[1:2]\n"
	const small, found = "buffer x 2\nx[[0, 1]] = x[0:2]\nexpect op=1 tensor=x hazard=none\n", program + "expect op=2 tensor=x hazard=none\n"
	for _, x := range []struct {
		name, requests string // 1 is the finding's, ten follow, then there are candidates, and 20 of the smallest
		says, small    string
	}{
		{"none", "", "; wrong in 20 of 20 runs, 1 cell", small},
		{"when it is found", "1,", "; wrong in 20 of 20 runs, 1 cell; 1 more run was" + lost, small},
		{"when it is confirmed", "4,", "; wrong in 20 of 20 runs, 1 cell; 1 more run was" + lost, small},
		{"for a while", numbers(5, 9), "; wrong in 20 of 20 runs, 1 cell; 5 more runs were" + lost, small},
		{"from then on", numbers(2, 99), "; wrong when it was found, and no run since came to its end; 5 more runs were" + lost, found},
		{"with a candidate", "19,", "; wrong in 20 of 20 runs, 1 cell", small},
		{"in the end", "30,32,", "; wrong in 20 of 20 runs, 1 cell; 2 more runs were" + lost, small},
		{"each time", numbers(1, 999), "", ""},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			all, _, err := backends(t.Context(), testWorker(t, "killed in "+x.requests+" of "+filepath.Join(t.TempDir(), "requests")), nil)
			require.NoError(t, err)
			r := &Runner{Backends: all}
			c, err := corpus.Parse("case", []byte("slidefuzz case v1\nshape batch=1 heads=1 window=1 dim=1 dtype=U8 layout=heads-first\n"+
				"target program/worker\nblock 1\nschedule native\n"+program), corpus.DefaultLimit)
			require.NoError(t, err)
			d, err := r.One(t.Context(), c)
			require.NoError(t, err)
			require.NotNil(t, d)
			small, d, _, err := r.Minimize(t.Context(), c, d)
			require.NoError(t, err)
			if x.small == "" {
				require.Equal(t, corpus.FaultCrash, d.Fault)
				require.Equal(t, &corpus.Runs{Of: confirmRuns, Wrong: confirmRuns}, d.Runs)
				return
			}
			require.True(t, strings.HasSuffix(d.String(), x.says), "%s", d)
			require.True(t, strings.HasSuffix(string(small.Text()), x.small), "%s", small.Text())
		})
	}
}

// sim steers the shrinking of a program: the result fails there alike, and the
// case for it replays.
func TestShrinkSteered(t *testing.T) {
	t.Parallel()
	client := testWorker(t, "racy programs")
	target := window.Target{Update: "program", Device: window.Worker}
	r, err := huntIn(t.Context(), client, target, nil, Options{Seed: 2, Cases: 320, ShrinkTime: 20 * time.Second})
	require.NoError(t, err)
	require.NotEmpty(t, r.Findings)
	for _, f := range r.Findings {
		d := f.Divergence
		require.NotNil(t, d.Sim, "%s\n%s", d, f.Small.Text())
		require.Equal(t, inplace.DropClone, d.Sim.Target.Lowering)
		require.Equal(t, inplace.WAR, d.Kind())
		require.NotNil(t, d.Runs)
		again, err := Local().One(t.Context(), d.Sim)
		require.NoError(t, err)
		require.True(t, d.Sim.Expect.Matches(again))
		require.Contains(t, d.String(), "; looks like program/drop-clone/sim, which is wrong here too (there WAR: ")
	}
	smallest := r.Findings[0].Small
	require.Len(t, smallest.Program.Stmts, 1, "%s", smallest.Text())
	text := string(smallest.Text())
	require.True(t, strings.Contains(text, "] = clone("), text)
}

// A race that large shapes alone show is shrunk in its statements, and in its
// shape as far as it still shows often.
func TestShrinkOnGPU(t *testing.T) {
	if testing.Short() {
		t.Skip("some GiB through a pipe")
	}
	client := testWorker(t, "racy programs on a GPU")
	target := window.Target{Update: "program", Device: window.Worker}
	r, err := huntIn(t.Context(), client, target, nil, Options{Seed: 2, Cases: 64, ShrinkTime: 20 * time.Second})
	require.NoError(t, err)
	require.NotEmpty(t, r.Findings)
	for _, f := range r.Findings {
		t.Logf("%s\n%s", f.Divergence, f.Small.Text())
		require.Len(t, f.Small.Program.Stmts, 1, "%s", f.Small.Text())
		require.NotNil(t, f.Divergence.Sim)
		require.Equal(t, 1, f.Divergence.Sim.Shape.Dim)
		require.Equal(t, 1, f.Small.Shape.Lanes())
		require.Greater(t, f.Small.Shape.Dim, 1<<10, "%s", f.Small.Text())
		require.Less(t, f.Small.Shape.Dim, f.Found.Shape.Dim, "%s", f.Small.Text())
		require.GreaterOrEqual(t, 2*f.Divergence.Runs.Wrong, f.Divergence.Runs.Of, "%s", f.Divergence)
		if s := f.Divergence.Smallest; s != nil {
			require.Negative(t, corpus.Compare(s, f.Small))
		}
	}
}

// Where sim fails on the same program for another reason, that is not taken for
// the worker's.
func TestShrinkCoincidence(t *testing.T) {
	t.Parallel()
	client := testWorker(t, "index writes")
	target := window.Target{Update: "program", Device: window.Worker}
	r, err := huntIn(t.Context(), client, target, nil, Options{Seed: 1, Cases: 640, ShrinkTime: 20 * time.Second})
	require.NoError(t, err)
	require.NotEmpty(t, r.Findings)
	for _, f := range r.Findings {
		require.Nil(t, f.Divergence.Sim, "%s\n%s", f.Divergence, f.Small.Text())
		require.Len(t, f.Small.Program.Stmts, 1, "%s", f.Small.Text())
		require.Len(t, f.Small.Program.Stmts[0].Index, 2, "%s", f.Small.Text())
	}
	require.Greater(t, r.Findings[0].Seen, 1)
}

// Each two statements of these three are right on the worker, or wrong on sim too. The one
// that is wrong alone is the finding, and not the race that sim has in the last.
func TestShrinkCoincidenceOfThree(t *testing.T) {
	t.Parallel()
	all, _, err := backends(t.Context(), testWorker(t, "index writes row by row"), nil)
	require.NoError(t, err)
	write := inplace.AssignIndex("x", []int{2, 0}, inplace.View("x", 1, 3))
	c := programCase(
		write,
		inplace.Assign("x", 0, 2, inplace.Roll(inplace.View("x", 0, 2), -1)),
		inplace.Assign("x", 0, 2, inplace.View("x", 1, 3)),
	)
	r := &Runner{Backends: all, ShrinkTime: time.Minute}
	d, err := r.One(t.Context(), c)
	require.NoError(t, err)
	require.NotNil(t, d)
	require.NotNil(t, d.Sim, "sim is wrong here too")
	small, d, _, err := r.Minimize(t.Context(), c, d)
	require.NoError(t, err)
	require.Nil(t, d.Sim)
	require.Equal(t, []inplace.Stmt{write}, small.Program.Stmts, "%s", small.Text())
}

// Ctrl-C ends a hunt in a worker that is silent within a second, and is not taken
// for a hang. What an honest worker has done until then is kept.
func TestInterruptedWorker(t *testing.T) {
	for _, kind := range []string{"honest", "silence"} {
		client := testWorker(t, kind)
		_, err := client.Hello(t.Context())
		require.NoError(t, err)
		ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer stop()
		start := time.Now()
		r, err := huntIn(ctx, client, window.WorkerTarget("test"), nil, Options{Seed: 1, Cases: 1 << 30})
		require.NoError(t, err)
		require.Less(t, time.Since(start), 1300*time.Millisecond)
		require.True(t, r.Interrupted)
		require.Empty(t, r.Unexpected())
		require.Empty(t, r.Findings)
		require.Equal(t, kind == "honest", r.Cases > 0)
	}
}

// A hang is reported with the case up to the operation that hung, and three at one
// kind of operation end the hunt.
func TestHangs(t *testing.T) {
	t.Parallel()
	client := testWorker(t, "silence at the second update")
	client.Timeout = 300 * time.Millisecond
	r, err := huntIn(t.Context(), client, window.WorkerTarget("test"), nil, Options{Seed: 1, Cases: 2000})
	require.NoError(t, err)
	require.Equal(t, "it hung 3 times at append", r.Ended)
	require.Equal(t, "a sound target diverged", r.Unexpected())
	require.Less(t, r.Cases, 20)
	require.NotEmpty(t, r.Findings)
	for _, f := range r.Findings {
		require.Equal(t, corpus.FaultHang, f.Divergence.Fault)
		require.Len(t, f.Small.Ops, f.Divergence.Op)
		require.Greater(t, len(f.Found.Ops), len(f.Small.Ops))
		require.Zero(t, f.Stats.Runs, "each would take the whole time limit")
		if f.Divergence.OpKind == "append" {
			require.Equal(t, maxHangs, f.Seen)
		}
	}
}

// The time for shrinking bounds all of it, the last count among it.
func TestShrinkTime(t *testing.T) {
	t.Parallel()
	limit := 2 * time.Second
	if testing.Short() {
		limit /= 4
	}
	for _, kind := range []string{"race", "slow"} {
		client := testWorker(t, kind)
		target := window.WorkerTarget("test")
		all, b, err := backends(t.Context(), client, nil)
		require.NoError(t, err)
		b.Shape = rworker.FixedShape{Window: 8}
		r := &Runner{Backends: all, ShrinkTime: limit}
		draw := corpus.Draws(target, 1)
		var c *corpus.Case
		var d *corpus.Divergence
		for d == nil || d.Fault != corpus.FaultRows {
			c = draw()
			b.Fit(c)
			if kind == "slow" {
				c.Ops = c.Ops[:min(len(c.Ops), 3)] // each takes its time
			}
			if d, err = r.One(t.Context(), c); err == nil && d == nil && kind == "slow" {
				// Found wrong by somebody, and never again.
				d = &corpus.Divergence{Op: 1, OpKind: "append", Tensor: "keys", Fault: corpus.FaultRows}
			}
			require.NoError(t, err)
		}
		start := time.Now()
		_, _, _, err = r.Minimize(t.Context(), c, d)
		require.NoError(t, err)
		require.Less(t, time.Since(start), limit+time.Second, kind)
	}
}

// A worker that is too slow for one case has not been judged.
func TestTooSlow(t *testing.T) {
	t.Parallel()
	client := testWorker(t, "silence")
	start := time.Now()
	r, err := huntIn(t.Context(), client, window.WorkerTarget("test"), nil, Options{Seed: 1, Time: 500 * time.Millisecond})
	require.NoError(t, err)
	require.Less(t, time.Since(start), 3*time.Second)
	require.Zero(t, r.Cases)
	require.Empty(t, r.Findings)
	require.False(t, r.Interrupted)
	require.Contains(t, r.Unexpected(), "no case came to its end in 500ms")
}
