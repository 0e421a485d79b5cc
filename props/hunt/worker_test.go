package hunt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/props/run"
	rworker "github.com/slidefuzz/slidefuzz/props/run/worker"
)

// workerArg makes the test binary a worker of the kind that the next argument
// names.
const workerArg = "serve-test-worker"

func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == workerArg {
		if err := serveTestWorker(os.Args[2], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// testWorker is a client of the test binary as a worker.
func testWorker(t *testing.T, kind string) *worker.Client {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	c := &worker.Client{Args: []string{self, workerArg, kind}, Timeout: 10 * time.Second}
	t.Cleanup(c.Kill)
	return c
}

// backends is those of this process and of a worker.
func backends(ctx context.Context, client *worker.Client, without []corpus.Feature) (*run.Backends, *rworker.Backend, error) {
	b, err := rworker.New(ctx, client)
	if err != nil {
		return nil, nil, err
	}
	b.Without = without
	all := run.Local()
	all.ByDevice[window.Worker] = b
	return all, b, nil
}

// huntIn hunts in a worker.
func huntIn(ctx context.Context, client *worker.Client, t window.Target, without []corpus.Feature, o Options) (Result, error) {
	b, _, err := backends(ctx, client, without)
	if err != nil {
		return Result{}, err
	}
	return Hunt(ctx, b, t, o)
}

var testHello = worker.Hello{Name: "test", Version: "1", Contract: "single", Device: "cpu", DTypes: []impls.DType{impls.F32, impls.U8}}

// serveTestWorker is a sound cache, but for what kind says.
func serveTestWorker(kind string, in io.Reader, out io.Writer) error {
	hello := testHello
	if kind == "position it does not hold" {
		hello.Contract = "chunks"
	}
	target := window.Target{Update: "roll", Lowering: inplace.Fused, Device: "sim"}
	r := rand.New(rand.NewPCG(1, 2)) // the same test each time
	if kind, killed := strings.CutPrefix(kind, "killed in "); killed {
		return serveKilled(kind, in, out)
	}
	if serves, err := serveAmong(kind, in, out); serves {
		return err
	}
	switch kind {
	case "race in the order of the case":
		return serveOrdered(inplace.DropWAR, in, out)
	case "sound in every order":
		return serveOrdered(inplace.Fused, in, out)
	case "race":
		target.Lowering = inplace.DropWAR
	case "racy programs":
		return worker.ServePrograms(context.Background(), in, out, hello, func(_ string, p inplace.Program, buffers []impls.Tensor) error {
			return runTestProgram(p, buffers, inplace.DropClone, []inplace.ScheduleKind{inplace.Ascending, inplace.Descending}[r.IntN(2)])
		})
	case "racy programs on a GPU":
		// From half a million cells on always, below that the smaller the rarer.
		hello.Device = "cuda (a test)"
		return worker.ServePrograms(context.Background(), in, out, hello, func(_ string, p inplace.Program, buffers []impls.Tensor) error {
			how := inplace.Eager
			if r.IntN(1<<19) < len(buffers[0].Data)/buffers[0].DType.Size() {
				how = inplace.DropClone
			}
			return runTestProgram(worker.Cloned(p), buffers, how, inplace.Ascending)
		})
	case "skips":
		return serveSkips(in, out)
	case "variants":
		return serveVariants(in, out, 8)
	case "variants, one at a time":
		return serveVariants(in, out, 1)
	case "index writes":
		// Sound, but for writes by an index of two rows or more.
		return worker.ServePrograms(context.Background(), in, out, hello, func(_ string, p inplace.Program, buffers []impls.Tensor) error {
			err := runTestProgram(p, buffers, inplace.Eager, inplace.Ascending)
			for _, s := range p.Stmts {
				b := slices.IndexFunc(p.Buffers, func(b inplace.Buffer) bool { return b.Name == s.Dst })
				if len(s.Index) > 1 && b >= 0 {
					buffers[b].Data[0] ^= 1
					return err
				}
			}
			return err
		})
	case "two faults":
		// Wrong where rows of a slice are written, and where two rows or more are by an index.
		return worker.ServePrograms(context.Background(), in, out, hello, func(_ string, p inplace.Program, buffers []impls.Tensor) error {
			err := runTestProgram(p, buffers, inplace.Eager, inplace.Ascending)
			wrong := false
			for _, s := range p.Stmts {
				wrong = wrong || len(s.Index) > 1 || !s.Define && s.Index == nil
			}
			if wrong {
				buffers[0].Data[0] ^= 1
			}
			return err
		})
	case "a fault of two statements":
		// Wrong where rows of a slice are written as they are read, and where they are
		// written after a write by an index: as one failure.
		return worker.ServePrograms(context.Background(), in, out, hello, func(_ string, p inplace.Program, buffers []impls.Tensor) error {
			err := runTestProgram(p, buffers, inplace.Eager, inplace.Ascending)
			byIndex, wrong := false, false
			for _, s := range p.Stmts {
				slice := !s.Define && s.Index == nil
				wrong = wrong || slice && (byIndex || s.Src.Op == inplace.OpView)
				byIndex = byIndex || s.Index != nil
			}
			if wrong {
				buffers[0].Data[0] ^= 1
			}
			return err
		})
	case "starts in a second":
		time.Sleep(time.Second)
		return serveVariants(in, out, 8)
	case "flood on stderr":
		for range 64 {
			os.Stderr.Write(bytes.Repeat([]byte("nothing to see here\n"), 1<<15))
		}
	case "exit at the start":
		return errors.New("no such model")
	}
	return worker.Serve(context.Background(), in, &liar{out: out, kind: kind}, hello, func(s impls.Shape) (impls.Cache, error) {
		e, err := window.NewEngine(target, s, 1)
		if err != nil {
			return nil, err
		}
		c := e.NewCache(&inplace.Sim{})
		if kind == "race" {
			// A race that shows in one update of four.
			c.Order = func(_, _, blocks int) []int32 {
				kind := inplace.Ascending
				if r.IntN(4) == 0 {
					kind = inplace.Descending
				}
				return inplace.Schedule{Kind: kind}.Order(blocks)
			}
		}
		return &testCache{c, kind}, nil
	})
}

// serveKilled is a worker of programs that is wrong where rows are written by an index of
// two or more. It kills itself in some of its requests, a comma after each number from 1:
// requests are counted in a file, as many as its processes.
func serveKilled(kind string, in io.Reader, out io.Writer) error {
	requests, file, _ := strings.Cut(kind, " of ")
	return worker.ServePrograms(context.Background(), in, out, testHello, func(_ string, p inplace.Program, buffers []impls.Tensor) error {
		f, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.WriteString("."); err != nil {
			return err
		}
		before, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if strings.Contains(","+requests, fmt.Sprintf(",%d,", len(before))) {
			self, _ := os.FindProcess(os.Getpid()) // it is there
			_ = self.Kill()
			time.Sleep(time.Hour)
		}
		err = runTestProgram(p, buffers, inplace.Eager, inplace.Ascending)
		for _, s := range p.Stmts {
			if len(s.Index) > 1 && !s.Define {
				buffers[0].Data[0] ^= 1
				break
			}
		}
		return err
	})
}

// runTestProgram runs a program that a compiler may have spoiled.
func runTestProgram(p inplace.Program, buffers []impls.Tensor, how inplace.Lowering, order inplace.ScheduleKind) error {
	x := buffers[0]
	s := impls.Shape{Batch: x.Batch, Heads: x.Heads, Window: 1, Dim: x.Dim, DType: x.DType}
	plan := inplace.Compile(p, how, s, x.Dim)
	mem := make([][]byte, len(plan.Rows))
	for i, rows := range plan.Rows {
		mem[i] = make([]byte, s.Lanes()*rows*s.RowBytes())
	}
	for i := range buffers {
		if of := i - len(p.Buffers); of < 0 {
			mem[i] = buffers[i].Data
		} else {
			mem[plan.Returns[of]] = buffers[i].Data
		}
	}
	for _, k := range plan.Kernels {
		(&inplace.Sim{}).Run(k, mem, s.DType.Size(), inplace.Schedule{Kind: order}.Order(k.Blocks()))
	}
	return nil
}

// testCache lies about its rows.
type testCache struct {
	*window.WindowCache
	kind string
}

func (c *testCache) Update(keys, values impls.Tensor) (impls.Tensor, impls.Tensor, error) {
	if c.kind == "refusal that changes the cache" && keys.Rows > 1 {
		// A shift, and then it says no.
		x := impls.NewTensor(c.Shape, 1)
		if _, _, err := c.WindowCache.Update(x, x); err != nil {
			return x, x, err
		}
		return x, x, errors.New("one row at a time")
	}
	k, v, err := c.WindowCache.Update(keys, values)
	if c.kind == "wrong shape" && err == nil {
		k = impls.NewTensor(impls.Shape{Batch: k.Batch, Heads: k.Heads, Window: 1, Dim: k.Dim + 1, DType: k.DType}, k.Rows)
	}
	if c.kind == "crash at any update" && rand.IntN(3) > 0 {
		os.Exit(9)
	}
	if c.kind == "memory" {
		hog = append(hog, make([]byte, 300<<20))
		for i := range hog[len(hog)-1] {
			hog[len(hog)-1][i] = 1
		}
		time.Sleep(time.Second)
	}
	return k, v, err
}

var hog [][]byte

// Positions takes the first two tokens of the window for each other. Of a chunk longer
// than the window it says too few.
func (c *testCache) Positions() [][]int {
	if c.kind != "position it does not hold" {
		return nil
	}
	k, _ := c.Stored()
	list, oldest := make([]int, k.Rows), max(0, c.Len()-k.Rows)
	for i := range list {
		if list[i] = oldest + i; list[i] >= c.Len() {
			list[i] = -1
		}
	}
	if min(k.Rows, c.Len()) > 1 {
		list[0], list[1] = list[1], list[0]
	}
	return [][]int{list}
}

// liar spoils the third reply: those before are of hello and new.
type liar struct {
	out  io.Writer
	kind string
	n    int
}

func (l *liar) Write(b []byte) (int, error) {
	l.n++
	if l.kind == "silence at the second update" && l.n == 4 {
		time.Sleep(time.Hour)
	}
	if l.kind == "slow" {
		time.Sleep(300 * time.Millisecond)
	}
	if l.n != 3 {
		return l.out.Write(b)
	}
	switch l.kind {
	case "short frame":
		_, _ = l.out.Write(b[:len(b)-1])
		time.Sleep(time.Hour)
	case "exit in mid-reply":
		_, _ = l.out.Write(b[:len(b)/2])
		fmt.Fprintln(os.Stderr, "Segmentation fault, they say")
		os.Exit(3)
	case "huge header":
		return l.out.Write(binary.LittleEndian.AppendUint64(nil, 1<<40))
	case "chatter":
		_, _ = io.WriteString(l.out, "Compiling, please wait\n")
	case "silence":
		time.Sleep(time.Hour)
	case "daemon":
		// A process in a session of its own that holds this one's standard output.
		cmd := exec.Command("setsid", "sleep", "300")
		cmd.Stdout = os.Stdout
		if err := cmd.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(9)
	case "daemon without an environment":
		// It holds all that it can, and cannot be found.
		cmd := exec.Command("setsid", "sleep", "5")
		cmd.Stdout, cmd.Stderr, cmd.Env = os.Stdout, os.Stderr, []string{}
		if err := cmd.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(9)
	case "closes its output in mid-reply":
		_, _ = l.out.Write(b[:len(b)/2])
		_ = os.Stdout.Close()
		time.Sleep(time.Hour)
	case "closes its output":
		_ = os.Stdout.Close()
		time.Sleep(time.Hour)
	case "killed by another":
		self, _ := os.FindProcess(os.Getpid()) // it is there
		_ = self.Kill()
		time.Sleep(time.Hour)
	case "words that a terminal obeys":
		m := worker.Message{Meta: map[string]string{"error": "no\x1b[2J</p>\n```\n\u202eroom"}}
		return 0, m.Write(l.out)
	case "no JSON":
		return l.out.Write(append(binary.LittleEndian.AppendUint64(nil, 4), "[42]"...))
	case "offsets":
		text := `{"keys":{"dtype":"F32","shape":[1,1,9,9],"data_offsets":[0,4]}}`
		return l.out.Write(append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...), 0, 0, 0, 0))
	case "two replies":
		_, _ = l.out.Write(b)
	}
	return l.out.Write(b)
}

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
