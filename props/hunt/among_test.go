package hunt

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/evolve"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// startsOnce begins the kind of a worker that does not start again: the name of a file
// follows, which is there once it has started.
const startsOnce = "starts once: "

// wrongAndDies begins the kind of one that is wrong until it is asked for two programs, and
// then dies for good.
const wrongAndDies = "wrong, and "

// diesShrunk begins the kind of one that is wrong as that is, and dies in its 30th request.
const diesShrunk = "dies as it is shrunk, "

// serveAmong is a compiler of 32 programs at once that is sound but for what it does to some
// numbers of programs in one request. It reports whether it is one of that kind.
func serveAmong(kind string, in io.Reader, out io.Writer) (serves bool, err error) {
	var at func(request, count int, m *worker.Message)
	var among atomic.Bool
	rest, wrong := strings.CutPrefix(kind, wrongAndDies)
	rest, later := strings.CutPrefix(rest, diesShrunk)
	marker, once := strings.CutPrefix(rest, startsOnce)
	switch kind {
	case "dies of six programs together":
		at = func(_, count int, _ *worker.Message) {
			if count >= 6 {
				os.Exit(9)
			}
		}
	case "dies of six programs together and often of one":
		at = func(_, count int, _ *worker.Message) {
			if count >= 6 || count == 1 && rand.IntN(4) > 0 {
				os.Exit(9)
			}
		}
	case "dies in half of six programs together":
		at = func(_, count int, _ *worker.Message) {
			if count >= 6 && rand.IntN(2) > 0 {
				os.Exit(9)
			}
		}
	case "dies of two wide programs together":
		at = func(_, count int, m *worker.Message) {
			wide := map[string]bool{}
			for i := range m.Tensors {
				if m.Tensors[i].Shape[1] > 2 {
					program, _, _ := strings.Cut(m.Tensors[i].Name, ".")
					wide[program] = true
				}
			}
			if len(wide) > 1 {
				os.Exit(9)
			}
		}
	case "dies of a roll and a gather together":
		at = func(_, count int, m *worker.Message) {
			if rollsAndGathers(count, m) {
				os.Exit(9)
			}
		}
	case "chatters at a roll and a gather together":
		at = func(_, count int, m *worker.Message) {
			if rollsAndGathers(count, m) {
				_, _ = os.Stdout.WriteString("Compiling, please wait\n")
			}
		}
	case "dies of two programs together or a short one":
		at = func(_, count int, m *worker.Message) {
			short := false
			for i := range count {
				short = short || strings.Count(m.Meta[fmt.Sprint("program.", i)], "=") == 1
			}
			if short || count > 1 {
				os.Exit(9)
			}
		}
	case "chatters at six programs together":
		at = func(_, count int, _ *worker.Message) {
			if count >= 6 {
				_, _ = os.Stdout.WriteString("Compiling, please wait\n")
			}
		}
	case "dies, and then is silent":
		at = func(_, count int, _ *worker.Message) {
			if count == 32 {
				os.Exit(9)
			}
			time.Sleep(time.Hour)
		}
	case "dies of several, is wrong at one, silent at a wide one":
		at = func(_, count int, m *worker.Message) {
			if among.Store(true); count > 1 {
				os.Exit(9)
			}
			if m.Tensors[0].Shape[1] > 2 {
				time.Sleep(time.Hour)
			}
		}
	case "hangs at programs":
		at = func(int, int, *worker.Message) { time.Sleep(time.Hour) }
	case "hangs at several programs":
		at = func(_, count int, _ *worker.Message) {
			if count > 1 {
				time.Sleep(time.Hour)
			}
		}
	case "hangs at a wide program":
		at = func(_, _ int, m *worker.Message) {
			for i := range m.Tensors {
				if m.Tensors[i].Shape[1] > 2 {
					time.Sleep(time.Hour)
				}
			}
		}
	case "wrong among others":
		at = func(_, count int, _ *worker.Message) { among.Store(count > 1) }
	case "refuses four programs, wrong among others":
		at = func(_, count int, m *worker.Message) {
			if among.Store(count > 1); count > 3 {
				m.Meta["count"] = "too many"
			}
		}
	case "refuses several programs":
		at = func(_, count int, m *worker.Message) {
			if count > 1 {
				m.Meta["count"] = "too many"
			}
		}
	default:
		if !once {
			return false, nil
		}
		if _, err := os.Stat(marker); err == nil {
			return true, errors.New("no such device")
		}
		if err := os.WriteFile(marker, nil, 0o600); err != nil {
			return true, err
		}
		at = func(request, count int, _ *worker.Message) {
			if among.Store(wrong || later); later && request == 30 || wrong && count == 2 || !wrong && !later && request == 2 {
				os.Exit(9)
			}
		}
	}
	r, w := io.Pipe()
	go func() {
		from := bufio.NewReader(in)
		for request := 0; ; {
			m, err := worker.Read(from)
			if err != nil {
				_ = w.CloseWithError(io.EOF)
				return
			}
			if count, err := strconv.Atoi(m.Meta["count"]); err == nil {
				request++
				at(request, count, m)
			}
			_ = m.Write(w)
		}
	}()
	return true, worker.ServePrograms(context.Background(), r, out, testHello, func(_ string, p inplace.Program, buffers []impls.Tensor) error {
		err := runTestProgram(p, buffers, inplace.Eager, inplace.Ascending)
		if among.Load() && len(p.Stmts) == 2 {
			buffers[0].Data[0] ^= 1
		}
		if among.Load() && len(p.Stmts) == 3 {
			return errors.New("three statements")
		}
		return err
	})
}

// rollsAndGathers reports whether one program of a request rolls and joins rows, and another
// gathers some.
func rollsAndGathers(count int, m *worker.Message) bool {
	for i := range count {
		for k := range count {
			a, b := m.Meta[fmt.Sprint("program.", i)], m.Meta[fmt.Sprint("program.", k)]
			if i != k && strings.Contains(a, "roll(") && strings.Contains(a, "cat(") && strings.Contains(b, "gather(") {
				return true
			}
		}
	}
	return false
}

func programTarget() window.Target { return window.Target{Update: "program", Device: window.Worker} }

// replaysTogether reads the case of a finding as its file has it and runs it in a fresh
// worker, which must do as expected.
func replaysTogether(t *testing.T, client *worker.Client, f *Finding, programs int) Verdict {
	t.Helper()
	require.Nil(t, f.Divergence.Batch)
	c, err := corpus.Parse("case.txt", f.Small.Text(), 0)
	require.NoError(t, err)
	require.Len(t, c.Each(), programs)
	all, _, err := backends(t.Context(), client, nil)
	require.NoError(t, err)
	v, err := (&Runner{Backends: all}).Replay(t.Context(), c, 0)
	require.NoError(t, err)
	require.True(t, v.OK, "%s", v)
	require.Contains(t, v.String(), "; as expected")
	return v
}

// What the worker does at several programs and at none of them alone is a finding, of the
// fewest that do it, whose case has all of them.
func TestDiesAmongOthers(t *testing.T) {
	t.Parallel()
	r, err := huntIn(t.Context(), testWorker(t, "dies of six programs together"), programTarget(), nil, Options{Seed: 1, Cases: 64})
	require.NoError(t, err)
	require.Equal(t, 64, r.Cases)
	require.Len(t, r.Findings, 1)
	require.NotEmpty(t, r.Unexpected())
	f := r.Findings[0]
	require.Equal(t, 8, f.Seen, "each eight of them")
	require.Equal(t, 8, f.At, "the last of the first eight")
	require.Equal(t, corpus.FaultCrash, f.Divergence.Fault)
	require.Regexp(t, `^crash: (before|in reply to) programs: its process ended \(exit status 9\); among 6 programs run together: without any one of them it was not seen; wrong in 20 of 20 runs$`, f.Divergence.String())
	require.False(t, f.Stats.Bounded)
	require.Zero(t, f.Small.Expect.Rate)
	require.Equal(t, 8, r.Variants[""].Wrong)
	v := replaysTogether(t, testWorker(t, "dies of six programs together"), &f, 6)
	require.Equal(t, corpus.Runs{Of: 1, Wrong: 1}, v.Runs)
}

// The programs that do it together are found, wherever they are in a batch.
func TestDiesOfTwoAmongOthers(t *testing.T) {
	t.Parallel()
	cases := wideCases(t, "0010000001")
	for i, c := range cases {
		c.Program.Buffers[0].Rows = 2 + i
	}
	all, b, err := backends(t.Context(), testWorker(t, "dies of two wide programs together"), nil)
	require.NoError(t, err)
	found, err := b.Run(t.Context(), cases)
	require.NoError(t, err)
	require.Len(t, found, 10)
	at := slices.IndexFunc(found, func(d *corpus.Divergence) bool { return d != nil })
	require.Equal(t, corpus.AmongOthers, found[at].OpKind)
	require.Len(t, found[at].Batch.Each(), 10)
	all.Limit = cases[9].Bytes() // of the largest: a batch may take more
	require.Greater(t, found[at].Batch.Bytes(), all.Limit)
	small, d, stats, err := (&Runner{Backends: all}).Minimize(t.Context(), cases[at], found[at])
	require.NoError(t, err)
	require.False(t, stats.Bounded)
	require.Equal(t, &corpus.Runs{Of: 20, Wrong: 20}, d.Runs)
	left := small.Each()
	require.Len(t, left, 2)
	for _, one := range left {
		require.Equal(t, 3, one.Shape.Heads)
		require.Len(t, one.Program.Stmts, 1)
		require.Less(t, one.Program.Buffers[0].Rows, 4)
	}
	// Of the case alone it is the same.
	again, _, _, err := (&Runner{Backends: all}).Minimize(t.Context(), corpus.Batch(cases), d)
	require.NoError(t, err)
	require.Equal(t, string(small.Text()), string(again.Text()))
}

// The programs that do it together are made as small as a program alone would be, in a hunt
// and of its case.
func TestAmongOthersIsShrunk(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"dies of a roll and a gather together", "chatters at a roll and a gather together"} {
		client := testWorker(t, kind)
		r, err := huntIn(t.Context(), client, programTarget(), nil, Options{Seed: 1, Cases: 64})
		require.NoError(t, err)
		require.Len(t, r.Findings, 1)
		f := &r.Findings[0]
		require.Contains(t, f.Divergence.String(), "; among 2 programs run together: without any one of them it was not seen; wrong in 20 of 20 runs")
		require.False(t, f.Stats.Bounded)
		for _, one := range f.Small.Each() {
			require.LessOrEqual(t, len(one.Program.Stmts), 2, "%s", f.Small.Text())
			require.Len(t, one.Program.Buffers, 1, "%s", f.Small.Text())
			require.Equal(t, impls.Shape{Batch: 1, Heads: 1, Window: 1, Dim: 1, DType: impls.U8}, one.Shape)
		}
		replaysTogether(t, testWorker(t, kind), f, 2)
		all, _, err := backends(t.Context(), client, nil)
		require.NoError(t, err)
		again, _, stats, err := (&Runner{Backends: all}).Minimize(t.Context(), f.Small, f.Divergence)
		require.NoError(t, err)
		require.False(t, stats.Bounded)
		require.Equal(t, string(f.Small.Text()), string(again.Text()))
	}
}

// A program that does it alone once it is smaller is told as one that does, and shrunk.
func TestAloneOnceSmaller(t *testing.T) {
	t.Parallel()
	c := corpus.Batch(wideCases(t, "11"))
	all, _, err := backends(t.Context(), testWorker(t, "dies of two programs together or a short one"), nil)
	require.NoError(t, err)
	r := &Runner{Backends: all}
	d, err := r.One(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, corpus.AmongOthers, d.OpKind)
	small, d, stats, err := r.Minimize(t.Context(), c, d)
	require.NoError(t, err)
	require.False(t, stats.Bounded)
	require.Equal(t, corpus.WholeCase, d.OpKind)
	require.NotContains(t, d.String(), "among")
	require.Equal(t, &corpus.Runs{Of: 20, Wrong: 20}, d.Runs)
	require.Len(t, small.Each(), 1)
	require.Len(t, small.Program.Stmts, 1)
}

// Where there is no time to make the programs as small as they get, that is said, and those
// that are left do it together all the same.
func TestAmongOthersHasNoTime(t *testing.T) {
	t.Parallel()
	const kind = "dies of a roll and a gather together"
	r, err := huntIn(t.Context(), testWorker(t, kind), programTarget(), nil, Options{Seed: 1, Cases: 64, ShrinkTime: 200 * time.Millisecond})
	require.NoError(t, err)
	require.Len(t, r.Findings, 1)
	f := &r.Findings[0]
	require.True(t, f.Stats.Bounded)
	require.Less(t, f.Shrinking, 10*time.Second)
	replaysTogether(t, testWorker(t, kind), f, len(f.Small.Beside)+1)
}

// A hunt that goes on from a corpus begins with what several programs did together.
func TestDiesAmongOthersIsKept(t *testing.T) {
	t.Parallel()
	const kind = "dies of six programs together"
	s := &shelf{}
	_, err := huntIn(t.Context(), testWorker(t, kind), programTarget(), nil, Options{Seed: 1, Cases: 32, Corpus: s})
	require.NoError(t, err)
	require.Len(t, s.failed, 1)
	for name, was := range map[string]evolve.Kept{
		"as a failure":          {Failures: s.failed},
		"as a file of a user's": {Cases: s.failed},
	} {
		s = &shelf{was: was}
		r, err := huntIn(t.Context(), testWorker(t, kind), programTarget(), nil, Options{Seed: 2, Cases: 3, Corpus: s})
		require.NoError(t, err, name)
		require.Len(t, r.Findings, 1, name)
		require.Equal(t, 1, r.Findings[0].At, name)
		require.Len(t, r.Findings[0].Small.Each(), 6, name)
	}
}

// What several programs do together in some runs alone has a rate, and replay counts it.
func TestDiesAtTimesAmongOthers(t *testing.T) {
	t.Parallel()
	const kind = "dies in half of six programs together"
	r, err := huntIn(t.Context(), testWorker(t, kind), programTarget(), nil, Options{Seed: 1, Cases: 640}) // of 20 batches one dies
	require.NoError(t, err)
	require.Len(t, r.Findings, 1)
	f := &r.Findings[0]
	rate := f.Small.Expect.Rate
	require.Positive(t, rate.Wrong)
	require.Less(t, rate.Wrong, rate.Of)
	require.Equal(t, 20, rate.Of)
	v := replaysTogether(t, testWorker(t, kind), f, len(f.Small.Beside)+1)
	require.Equal(t, 20, v.Runs.Of)
	require.Positive(t, v.Runs.Wrong)
	require.Zero(t, v.Others)
}

// Nonsense among others is told and replayed as a crash is, in shards too.
func TestChattersAmongOthers(t *testing.T) {
	t.Parallel()
	const kind = "chatters at six programs together"
	o := Options{Seed: 1, Cases: 64}
	parts := make([]Part, 2)
	for i := range parts {
		o := o
		o.Shard, o.Note = Shard{i, 2}, func(n Note) {
			text, err := json.Marshal(n)
			require.NoError(t, err)
			var kept Note
			require.NoError(t, json.Unmarshal(text, &kept))
			parts[i].Notes = append(parts[i].Notes, kept)
		}
		var err error
		parts[i].Result, err = huntIn(t.Context(), testWorker(t, kind), programTarget(), nil, o)
		require.NoError(t, err)
	}
	merged, err := Merge(t.Context(), nil, programTarget(), o, parts, true)
	require.NoError(t, err)
	require.Len(t, merged.Findings, 1)
	require.Equal(t, corpus.FaultProtocol, merged.Findings[0].Divergence.Fault)
	replaysTogether(t, testWorker(t, kind), &merged.Findings[0], 6)
}

// What the program that has it then does alone too is its own, and shrunk.
func TestDiesAmongOthersAndAlone(t *testing.T) {
	t.Parallel()
	r, err := huntIn(t.Context(), testWorker(t, "dies of six programs together and often of one"), programTarget(), nil, Options{Seed: 1, Cases: 8, ShrinkTime: 2 * time.Second})
	require.NoError(t, err)
	require.Len(t, r.Findings, 1)
	d := r.Findings[0].Divergence
	require.Equal(t, corpus.WholeCase, d.OpKind)
	require.NotContains(t, d.String(), "among")
	require.NotNil(t, d.Runs)
	require.Positive(t, d.Runs.Wrong)
}

// A death is told though the time was up before its cause was looked for.
func TestDiesBeforeTheTimeIsUp(t *testing.T) {
	t.Parallel()
	r, err := huntIn(t.Context(), testWorker(t, "dies, and then is silent"), programTarget(), nil, Options{Seed: 1, Time: time.Second, ShrinkTime: 200 * time.Millisecond})
	require.NoError(t, err)
	require.Len(t, r.Findings, 1)
	require.Contains(t, r.Findings[0].Divergence.String(), "(exit status 9); among 32 programs run together: the time was up before it was known whether one of them does so alone")
}

// A worker that hangs at each program ends the hunt after four hangs, and what was not run
// is not said to be nothing.
func TestHangsAtPrograms(t *testing.T) {
	t.Parallel()
	for kind, x := range map[string]struct {
		ended        string
		cases, start int
		says         string
	}{
		"hangs at programs": {"it hung at 3 programs", 3, 4, ""},
		// Three batches, and the first anew: itself once, halves of it four times, and three
		// times what is left.
		"hangs at several programs": {"it hung 3 times at several programs together", 96, 4 + 8, "among 2 programs run together: without any one of them it was not seen; wrong in 3 of 3 runs"},
	} {
		client := testWorker(t, kind)
		client.Timeout = 300 * time.Millisecond
		r, err := huntIn(t.Context(), client, programTarget(), nil, Options{Seed: 1, Cases: 320})
		require.NoError(t, err)
		require.Equal(t, x.ended, r.Ended)
		require.Equal(t, x.cases, r.Cases, kind)
		require.Len(t, r.Findings, 1)
		require.Equal(t, corpus.FaultHang, r.Findings[0].Divergence.Fault)
		require.Contains(t, r.Findings[0].Divergence.String(), x.says)
		require.LessOrEqual(t, client.Starts(), x.start, kind)
		if x.says != "" {
			again := testWorker(t, kind)
			again.Timeout = client.Timeout
			replaysTogether(t, again, &r.Findings[0], 2)
		}
	}
}

// A batch that hangs is run again, if only once, where there is no time for more.
func TestHangAmongOthersTakesLong(t *testing.T) {
	t.Parallel()
	client := testWorker(t, "hangs at several programs")
	client.Timeout = time.Second
	r, err := huntIn(t.Context(), client, programTarget(), nil, Options{Seed: 1, Cases: 32, ShrinkTime: 500 * time.Millisecond})
	require.NoError(t, err)
	require.Len(t, r.Findings, 1)
	f := &r.Findings[0]
	require.True(t, f.Stats.Bounded)
	require.Contains(t, f.Divergence.String(), "among 32 programs run together: none of them did so alone; wrong in 1 of 1 run")
	require.LessOrEqual(t, client.Starts(), 3)
	require.Len(t, f.Small.Each(), 32)
}

// wideCases are programs of two statements, of three heads where wide has a 1.
func wideCases(t *testing.T, wide string) (cases []*corpus.Case) {
	t.Helper()
	for _, w := range wide {
		c, err := corpus.Parse("case", fmt.Appendf(nil, "slidefuzz case v1\nshape batch=1 heads=%d window=1 dim=1 dtype=U8 layout=heads-first\n"+
			"target program/worker\nblock 1\nschedule native\nbuffer x 2\nx[[1, 0]] = x[0:2]\nx[0:1] = x[1:2]\n", 1+2*(w-'0')), corpus.DefaultLimit)
		require.NoError(t, err)
		cases = append(cases, c)
	}
	return cases
}

// What is told of a batch takes no other finding's place.
func TestDeathBesideAFinding(t *testing.T) {
	t.Parallel()
	b, _, err := backends(t.Context(), testWorker(t, "dies of several, is wrong at one, silent at a wide one"), nil)
	require.NoError(t, err)
	ctx, stop := context.WithTimeout(t.Context(), time.Second)
	defer stop()
	found, err := b.Run(ctx, wideCases(t, "01"))
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Len(t, found, 2)
	require.Equal(t, corpus.FaultRows, found[0].Fault)
	require.Equal(t, []any{corpus.AmongOthers, corpus.FaultCrash}, []any{found[1].OpKind, found[1].Fault})
}

// One of many programs that hangs is found by two hangs, and all others run. What is left of
// a batch in which three do does not.
func TestHangsAtSomePrograms(t *testing.T) {
	t.Parallel()
	for hang, ran := range map[string]int{"00001000": 8, "01010110": 6} {
		client := testWorker(t, "hangs at a wide program")
		client.Timeout = time.Second
		b, _, err := backends(t.Context(), client, nil)
		require.NoError(t, err)
		found, err := b.Run(t.Context(), wideCases(t, hang))
		require.NoError(t, err)
		require.Len(t, found, ran)
		for i, d := range found {
			require.Equal(t, hang[i] == '1', d != nil)
			if d != nil {
				require.Equal(t, []any{corpus.WholeCase, corpus.FaultHang}, []any{d.OpKind, d.Fault}, "alone")
			}
		}
		require.LessOrEqual(t, client.Starts(), 2+strings.Count(hang, "1"))
	}
	client := testWorker(t, "hangs at a wide program")
	client.Timeout = time.Second
	r, err := huntIn(t.Context(), client, programTarget(), nil, Options{Seed: 1, Cases: 32})
	require.NoError(t, err)
	require.Len(t, r.Findings, 1)
	require.Equal(t, "it hung at 3 programs", r.Ended, "in its last batch too, of which some are left")
	require.Less(t, r.Cases, 32)
}

// What is wrong, or refused, only among others is no finding, and counted, in shards too.
func TestWrongAmongOthers(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"wrong among others", "refuses several programs", "refuses four programs, wrong among others"} {
		o := Options{Seed: 1, Cases: 64}
		r, err := huntIn(t.Context(), testWorker(t, kind), programTarget(), nil, o)
		require.NoError(t, err)
		require.Empty(t, r.Findings)
		require.Empty(t, r.Unexpected())
		v := r.Variants[""]
		require.Equal(t, 64, v.Cases)
		require.Zero(t, v.Wrong)
		require.Positive(t, v.Among)
		if kind == "wrong among others" {
			require.Less(t, v.Among, 64)
		} else {
			require.Equal(t, 64, v.Among, "each once")
		}
		parts := make([]Part, 2)
		for i := range parts {
			o := o
			o.Shard, o.Note = Shard{i, 2}, func(n Note) { parts[i].Notes = append(parts[i].Notes, n) }
			parts[i].Result, err = huntIn(t.Context(), testWorker(t, kind), programTarget(), nil, o)
			require.NoError(t, err)
		}
		merged, err := Merge(t.Context(), nil, programTarget(), o, parts, true)
		require.NoError(t, err)
		require.Equal(t, v.Among, merged.Variants[""].Among)
	}
}

// A case of several programs says which of them is wrong together with the others.
func TestReplaySaysWhichIsWrong(t *testing.T) {
	t.Parallel()
	cases := wideCases(t, "00")
	cases[0].Program.Stmts = cases[0].Program.Stmts[:1]
	c, err := corpus.Parse("case.txt", corpus.Batch(cases).Text(), 0)
	require.NoError(t, err)
	all, _, err := backends(t.Context(), testWorker(t, "wrong among others"), nil)
	require.NoError(t, err)
	v, err := (&Runner{Backends: all}).Replay(t.Context(), c, 3)
	require.NoError(t, err)
	require.Contains(t, v.String(), "diverges: op 2 (statement), x stored of program 2 of 2 run together: lane 0 row 0 holds ")
	require.Contains(t, v.String(), "(3 of 3 runs diverged)")
	for _, one := range c.Each() {
		v, err := (&Runner{Backends: all}).Replay(t.Context(), one, 0)
		require.NoError(t, err)
		require.True(t, v.OK)
	}
	small, d, _, err := (&Runner{Backends: all}).Minimize(t.Context(), c, v.Divergence)
	require.NoError(t, err)
	require.Len(t, small.Each(), 2)
	require.Equal(t, &corpus.Runs{Of: 20, Wrong: 20, Least: 1, Most: 1}, d.Runs)
}

// Of several programs of which one is wrong alone that one is left, and shrunk.
func TestMinimizeToTheOneThatIsWrong(t *testing.T) {
	t.Parallel()
	cases := wideCases(t, "000")
	for _, c := range cases[:2] {
		c.Program.Stmts = c.Program.Stmts[1:]
	}
	c := corpus.Batch(cases)
	all, _, err := backends(t.Context(), testWorker(t, "index writes"), nil)
	require.NoError(t, err)
	r := &Runner{Backends: all}
	d, err := r.One(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, "stored of program 3 of 3 run together", d.Where)
	small, d, _, err := r.Minimize(t.Context(), c, d)
	require.NoError(t, err)
	require.Equal(t, "stored", d.Where)
	require.Len(t, small.Each(), 1)
	require.Len(t, small.Program.Stmts, 1)
}

// A worker that does not start again is no list of crashes: the error says what ended it
// first, which is a finding of the batch.
func TestDoesNotStartAgain(t *testing.T) {
	t.Parallel()
	r, err := huntIn(t.Context(), testWorker(t, startsOnce+t.TempDir()+"/started"), programTarget(), nil, Options{Seed: 1, Cases: 320})
	var failed *worker.StartError
	require.ErrorAs(t, err, &failed)
	require.Regexp(t, `^cases 33 to 64 of seed 1: the worker does not start again: .*\(exit status 1\): no such device \(what ended the process before it: .*its process ended \(exit status 9\)\)$`, err.Error())
	require.Equal(t, 33, r.Cases)
	require.Len(t, r.Findings, 1)
	require.Regexp(t, `^crash: .*\(exit status 9\); among 32 programs run together: whether one of them does so alone could not be tried$`, r.Findings[0].Divergence.String())
}

// What was wrong before is told too, though nothing more of it can be tried.
func TestWrongAndDoesNotStartAgain(t *testing.T) {
	t.Parallel()
	r, err := huntIn(t.Context(), testWorker(t, wrongAndDies+startsOnce+t.TempDir()+"/started"), programTarget(), nil, Options{Seed: 1, Cases: 320})
	require.ErrorContains(t, err, "the worker does not start again: ")
	require.Equal(t, 32, r.Cases)
	require.NotEmpty(t, r.Findings)
	require.Positive(t, r.Variants[""].Wrong)
}

// What a worker does not start again for was not shrunk to its end.
func TestDoesNotStartAgainWhileShrunk(t *testing.T) {
	t.Parallel()
	all, b, err := backends(t.Context(), testWorker(t, diesShrunk+startsOnce+t.TempDir()+"/started"), nil)
	require.NoError(t, err)
	draw := draws(b, programTarget(), 1)
	c := draw()
	for len(c.Program.Stmts) < 2 {
		c = draw()
	}
	c.Program.Stmts = c.Program.Stmts[:2]
	r := &Runner{Backends: all, ShrinkTime: time.Minute}
	d, err := r.One(t.Context(), c)
	require.NoError(t, err)
	require.NotNil(t, d)
	_, _, stats, err := r.Minimize(t.Context(), c, d)
	require.NoError(t, err)
	require.True(t, stats.Bounded)
}
