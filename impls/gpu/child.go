package gpu

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"
)

// childEnv names the device that a child process is to serve.
const childEnv = "SLIDEFUZZ_DEVICE_CHILD"

// A child finds its requests and its replies at these, so that a driver may
// print where it likes.
const (
	requestFile = 3
	replyFile   = 4
)

func init() {
	if name := os.Getenv(childEnv); name != "" {
		os.Exit(serve(name, os.NewFile(requestFile, "requests"), os.NewFile(replyFile, "replies")))
	}
}

// request asks a child for one thing: those below whose field is set.
type request struct {
	Run   *runRequest
	Bench *benchRequest
	Judge *judgeRequest
}

// batch is the run that a request is about.
func (r *request) batch() *runRequest {
	switch {
	case r.Bench != nil:
		return &r.Bench.Run
	case r.Judge != nil:
		return &r.Judge.Run
	}
	return r.Run
}

// runRequest is a batch. Its words and groups go behind the request as they are.
type runRequest struct {
	words, groups         []byte
	WordBytes, GroupBytes int // how many they are, filled in by send
	Slots                 int
	Memory                int64
	Blocks                []int // of each step, where a step is a launch; groups is then empty
	Plans                 []int // of each step: same number, same graph; 0 for no graph
	Ticketed              bool
}

// benchRequest times a check step of a trace against a plain read.
type benchRequest struct {
	Run    runRequest
	Fill   []int // the steps that are run first
	Step   int   // the one that is timed
	Bytes  int64
	Rounds int
}

// judgeRequest runs each kernel of a trace under a driver that reports races
// in a file.
type judgeRequest struct {
	Run    runRequest
	Blocks []int // of each step; 0 for what is no kernel
	Log    string
}

type reply struct {
	Err     string
	Missing bool // the device cannot be used on this machine
	About   string
	State   []byte
	Memory  [][]byte // of each slot that failed
	Free    int64    // of the device, bytes
	Racy    []bool   // of each step
	Seconds []float64
	Read    []float64 // of the plain read
}

// serve answers requests until there are no more. It returns the exit status.
func serve(name string, in io.Reader, out io.Writer) int {
	runtime.LockOSThread() // a CUDA context belongs to a thread
	requests := make(chan *request)
	go func() {
		requester := newReceiver(in)
		for {
			r, err := requester.receive()
			if err != nil {
				// The parent is gone, or wants no more: even out of a kernel
				// that never ends.
				os.Exit(0)
			}
			requests <- r
		}
	}()
	w := bufio.NewWriterSize(out, 1<<20)
	enc := gob.NewEncoder(w)
	answer := func(r *reply) bool { return enc.Encode(r) == nil && w.Flush() == nil }
	d, err := openDriver(name)
	if err != nil {
		var missing *MissingError
		r := &reply{Err: err.Error(), Missing: errors.As(err, &missing)}
		if r.Missing {
			r.Err = missing.Reason
		}
		answer(r)
		return 1
	}
	if !answer(&reply{About: d.about()}) {
		return 1
	}
	e := &executor{driver: d}
	for r := range requests {
		rep, err := e.do(r)
		if err != nil {
			// After an error a CUDA process is of no more use.
			answer(&reply{Err: err.Error()})
			return 1
		}
		if !answer(rep) {
			return 1
		}
	}
	return 0
}

// openDriver opens a device by the name that targets use.
func openDriver(name string) (driver, error) {
	switch name {
	case "opencl":
		return openOpenCL()
	case "cuda":
		return openCUDA()
	case "oclgrind":
		return openOclgrind()
	}
	return nil, fmt.Errorf("no device driver is called %q", name)
}

// executor runs batches in buffers that it keeps and lets grow.
type executor struct {
	driver
	memory, words, groups, state, tickets area
}

type area struct {
	b    buffer
	size int64
}

// need makes an area at least n bytes large; what it held is lost if it grows.
func (e *executor) need(a *area, n int64) error {
	n = max(n, 16)
	if a.size >= n {
		return nil
	}
	if a.size > 0 {
		if err := e.free(a.b); err != nil {
			return err
		}
		a.size = 0
	}
	n = (n + n/4 + 4095) &^ 4095 // some room, so that it does not grow each time
	b, err := e.alloc(n)
	if err != nil {
		return err
	}
	a.b, a.size = b, n
	return nil
}

func (e *executor) do(r *request) (*reply, error) {
	switch {
	case r.Run != nil:
		if err := e.load(r.Run); err != nil {
			return nil, err
		}
		return e.run(r.Run)
	case r.Bench != nil:
		return e.bench(r.Bench)
	case r.Judge != nil:
		return e.judge(r.Judge)
	}
	return nil, fmt.Errorf("a request for nothing")
}

// load brings a batch to the device.
func (e *executor) load(r *runRequest) error {
	pairs := max(r.Slots, len(r.Blocks))
	return errors.Join(
		e.need(&e.memory, r.Memory), e.need(&e.words, int64(len(r.words))), e.need(&e.groups, int64(len(r.groups))),
		e.need(&e.state, int64(4*stateWords*r.Slots)), e.need(&e.tickets, int64(4*ticketWords*pairs)),
		e.zero(e.memory.b, (r.Memory+15)&^15),
		e.zero(e.tickets.b, int64(4*ticketWords*pairs)),
		e.write(e.state.b, 0, freshState(r.Slots)),
		e.write(e.words.b, 0, r.words), e.write(e.groups.b, 0, r.groups),
	)
}

// freshState is the state of slots before a run: nothing wrong, and no first
// wrong cell, which the kernel takes the minimum of.
func freshState(slots int) []byte {
	w := make([]uint32, stateWords*slots)
	for i := range slots {
		w[stateWords*i+2] = ^uint32(0)
	}
	return bytesOf(w)
}

// step launches step i of slot 0 alone.
func (e *executor) step(r *runRequest, i int) error {
	if r.Blocks[i] == 0 {
		return nil
	}
	return e.slots(r.Blocks[i], largeGroup, false, r.Ticketed, i)
}

func (e *executor) slots(groups, local int, grouped, ticketed bool, step int) error {
	flag := func(b bool) uint32 {
		if b {
			return 1
		}
		return 0
	}
	return e.launch("slots", groups, local, e.memory.b, e.words.b, e.groups.b, e.state.b, e.tickets.b, flag(grouped), flag(ticketed), uint32(step))
}

func (e *executor) run(r *runRequest) (*reply, error) {
	var err error
	switch {
	case len(r.groups) > 0:
		err = e.slots(len(r.groups)/4, smallGroup, true, true, 0)
	case len(r.Plans) > 0:
		err = e.graphs(r)
	default:
		for i := 0; i < len(r.Blocks) && err == nil; i++ {
			err = e.step(r, i)
		}
	}
	if err != nil {
		return nil, err
	}
	out := &reply{State: make([]byte, 4*stateWords*r.Slots)}
	if err := e.read(e.state.b, 0, out.State); err != nil {
		return nil, err
	}
	state, words := wordsOf(out.State), viewWords(r.words)
	for i := range r.Slots {
		if state[stateWords*i] == 0 {
			continue
		}
		at, bytes := checked(words, uint32(i), state[stateWords*i+1])
		cells := make([]byte, bytes)
		if err := e.read(e.memory.b, at, cells); err != nil {
			return nil, err
		}
		out.Memory = append(out.Memory, cells)
	}
	out.Free = e.freeMemory()
	return out, nil
}

// graphs runs a trace a launch a step, but for the steps of one plan, which
// are captured when the plan comes first and replayed when it comes again.
func (e *executor) graphs(r *runRequest) (err error) {
	known := map[int]graph{}
	defer func() {
		err = errors.Join(err, e.sync())
		for _, g := range known {
			err = errors.Join(err, e.release(g))
		}
	}()
	for i := 0; i < len(r.Blocks); {
		plan := r.Plans[i]
		if plan == 0 {
			if err := e.step(r, i); err != nil {
				return err
			}
			i++
			continue
		}
		end := i
		for end < len(r.Blocks) && r.Plans[end] == plan {
			end++
		}
		g, ok := known[plan]
		if !ok {
			g, err = e.capture(func() error {
				for k := i; k < end; k++ {
					if err := e.step(r, k); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return err
			}
			known[plan] = g
		}
		if err := e.replay(g); err != nil {
			return err
		}
		i = end
	}
	return nil
}

// bench times one step of a loaded trace, and a plain read of as many bytes.
func (e *executor) bench(r *benchRequest) (*reply, error) {
	if err := e.load(&r.Run); err != nil {
		return nil, err
	}
	for _, i := range r.Fill {
		if err := e.step(&r.Run, i); err != nil {
			return nil, err
		}
	}
	out := &reply{}
	timed := func(what func() error) (float64, error) {
		if err := errors.Join(e.sync(), what(), e.sync()); err != nil { // warm
			return 0, err
		}
		start := time.Now()
		for range r.Rounds {
			if err := what(); err != nil {
				return 0, err
			}
		}
		err := e.sync()
		return time.Since(start).Seconds() / float64(r.Rounds), err
	}
	for range 5 {
		check, err := timed(func() error { return e.step(&r.Run, r.Step) })
		if err != nil {
			return nil, err
		}
		read, err := timed(func() error {
			return e.launch("readall", 132*16, largeGroup, e.memory.b, e.state.b, uint64(r.Bytes/16))
		})
		if err != nil {
			return nil, err
		}
		out.Seconds, out.Read = append(out.Seconds, check), append(out.Read, read)
	}
	out.State = make([]byte, 4*stateWords)
	return out, e.read(e.state.b, 0, out.State)
}

// judge launches each kernel with one work-item a block, and looks whether the
// driver's log of races grew.
func (e *executor) judge(r *judgeRequest) (*reply, error) {
	if err := e.load(&r.Run); err != nil {
		return nil, err
	}
	size := func() (int64, error) {
		info, err := os.Stat(r.Log)
		if errors.Is(err, os.ErrNotExist) {
			return 0, nil
		}
		if err != nil {
			return 0, err
		}
		return info.Size(), nil
	}
	out := &reply{Racy: make([]bool, len(r.Blocks))}
	for i, blocks := range r.Blocks {
		if blocks == 0 {
			continue
		}
		before, err := size()
		if err != nil {
			return nil, err
		}
		// All blocks in one group: without a barrier its work-items are as
		// unordered as groups are, and the driver is faster.
		if err := errors.Join(e.launch("judged", 1, blocks, e.memory.b, e.words.b, uint32(i)), e.sync()); err != nil {
			return nil, err
		}
		after, err := size()
		if err != nil {
			return nil, err
		}
		out.Racy[i] = after > before
	}
	// What was read goes; the driver writes on at its offset, in a sparse file.
	if err := os.Truncate(r.Log, 0); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	return out, nil
}
