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
	if rest, some := strings.CutPrefix(kind, startsAs); some {
		var err error
		if kind, err = startAs(rest); err != nil {
			return err
		}
	}
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
	case "index writes row by row":
		// Sound, but for a write by an index from rows of a buffer: a row may be written
		// before it is read.
		return worker.ServePrograms(context.Background(), in, out, hello, func(_ string, p inplace.Program, buffers []impls.Tensor) error {
			rows := p
			rows.Stmts = nil
			for _, s := range p.Stmts {
				if s.Index == nil || s.Src.Op != inplace.OpView {
					rows.Stmts = append(rows.Stmts, s)
					continue
				}
				for i, to := range s.Index {
					from := s.Src.Lo + i
					rows.Stmts = append(rows.Stmts, inplace.Assign(s.Dst, to, to+1, inplace.View(s.Src.Name, from, from+1)))
				}
			}
			return runTestProgram(rows, buffers, inplace.Eager, inplace.Ascending)
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
	case "two errors":
		// Refuses writes by an index of two rows or more, or else those of rows of a view,
		// each with an error of its own.
		return worker.ServePrograms(context.Background(), in, out, hello, func(_ string, p inplace.Program, buffers []impls.Tensor) error {
			for _, s := range p.Stmts {
				if len(s.Index) > 1 {
					return fmt.Errorf("InternalError: shape mismatch of %d rows", len(s.Index))
				}
			}
			for _, s := range p.Stmts {
				if !s.Define && s.Index == nil && s.Src.Op == inplace.OpView {
					return fmt.Errorf("TypeError: no view of %s", s.Dst)
				}
			}
			return runTestProgram(p, buffers, inplace.Eager, inplace.Ascending)
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

// startsAs begins the kind of a worker of which some processes do not start: a digit for each
// process follows, 1 for one that does, the last of them for all others too, then the name of
// a file and, behind a colon, the kind of those that start.
const startsAs = "starts as "

// startAs is the kind of this process of such a worker. The processes count by folders.
func startAs(text string) (kind string, err error) {
	starts, rest, _ := strings.Cut(text, " in ")
	file, kind, _ := strings.Cut(rest, ": ")
	n := 0
	for os.Mkdir(fmt.Sprint(file, n), 0o700) != nil {
		n++
	}
	if starts[min(n, len(starts)-1)] != '1' {
		return "", errors.New("no such device")
	}
	return kind, nil
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
