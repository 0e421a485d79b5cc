package gpu

import (
	"bufio"
	"cmp"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/printable"
	"github.com/slidefuzz/slidefuzz/impls/subprocess"
)

// Device is a device in a child process, which is started when it is first
// needed and again after a failure. Its methods may be called by several
// goroutines; they take turns.
type Device struct {
	// Name is "opencl" or "cuda".
	Name string

	mu        sync.Mutex
	child     *child
	missing   error // why there will never be a child
	env       []string
	timeout   time.Duration // of a request, 0 for DefaultTimeout
	free      int64         // memory of the device after the last batch, where known
	failures  int           // in this Run
	searching bool          // for the trace that makes the device fail
	large     int           // the blocks of a large trace, 0 for largeTrace
}

// DefaultTimeout is how long a call may take: the largest built-in case, with
// its 700,000 blocks one after the other, takes a few seconds on a busy CPU.
const DefaultTimeout = 60 * time.Second

// searchTimeout is how long a part of a batch may take that has failed as a
// whole: a batch that passes takes well under a second.
const searchTimeout = 10 * time.Second

// FailedError is a device that crashed, hung or reported an error. Its child
// is gone.
type FailedError struct {
	Device string
	Hung   bool
	Reason string
}

func (e *FailedError) Error() string { return fmt.Sprintf("device %s: %s", e.Device, e.Reason) }

// devices are the shared ones: a child takes a second to start.
var devices = map[string]*Device{"opencl": {Name: "opencl"}, "cuda": {Name: "cuda"}}

// Open is the device of that name, shared by the whole process. It starts
// nothing yet.
func Open(name string) (*Device, error) {
	d, ok := devices[name]
	if !ok {
		return nil, fmt.Errorf("device %q: want opencl or cuda", name)
	}
	return d, nil
}

// SetTimeout sets how long the device may take for one request, 0 for
// DefaultTimeout.
func (d *Device) SetTimeout(limit time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timeout = limit
}

// child is a process that serves a device.
type child struct {
	*subprocess.Process
	writing  sync.Mutex
	sender   *sender // under writing
	requests *os.File
	answers  *os.File
	replies  chan *reply // closed when there will be no more
	about    string
}

// start starts a child and waits until its driver is open.
func (d *Device) start(ctx context.Context) error {
	if d.missing != nil {
		return d.missing
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c, err := startChild(append([]string{childEnv + "=" + d.Name}, d.env...))
	if err != nil {
		return err
	}
	d.child = c
	r, err := d.wait(ctx, startTimeout)
	if err != nil {
		return err
	}
	if r.Missing {
		d.missing = &MissingError{d.Name, printable.Line(r.Err)}
		d.stop()
		return d.missing
	}
	if r.Err != "" {
		d.stop()
		return &FailedError{Device: d.Name, Reason: printable.Line(r.Err)}
	}
	c.about = printable.Line(r.About)
	return nil
}

// startChild starts this program again, as a child by its environment.
func startChild(env []string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	requests, toChild, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer requests.Close()
	fromChild, replies, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, toChild.Close())
	}
	defer replies.Close()
	widen(toChild)
	c := &child{requests: toChild, answers: fromChild, sender: newSender(toChild), replies: make(chan *reply, 1)}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), env...)
	cmd.ExtraFiles = []*os.File{requests, replies}
	if c.Process, err = subprocess.Start(cmd); err != nil {
		return nil, errors.Join(err, toChild.Close(), fromChild.Close())
	}
	go func() {
		defer close(c.replies)
		dec := gob.NewDecoder(bufio.NewReaderSize(fromChild, 1<<20))
		for {
			r := new(reply)
			if dec.Decode(r) != nil {
				return
			}
			c.replies <- r // there is room: a child answers what it was asked, once
		}
	}()
	return c, nil
}

// startTimeout is how long a driver may take to open and to compile the
// kernels: PoCL's first time takes some seconds on a busy machine.
const startTimeout = 2 * time.Minute

// stop ends the child.
func (d *Device) stop() *child {
	c := d.child
	d.child = nil
	c.Kill()
	_ = c.requests.Close() // nobody reads or writes them any more
	_ = c.answers.Close()
	return c
}

// exitTime is how long a child may live on once it gives no more replies: the
// system closes the pipes of a process that ends, and then ends it.
const exitTime = 2 * time.Second

// wait takes the child's next reply. Without one the child is ended, and the
// error says how.
func (d *Device) wait(ctx context.Context, limit time.Duration) (*reply, error) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	c := d.child
	select {
	case r, ok := <-c.replies:
		if ok {
			return r, nil
		}
		reason := "it gave no more answers, and its process was killed"
		select {
		case <-c.Done():
			reason = fmt.Sprintf("its process ended (%s)", c.State())
		case <-time.After(exitTime):
		}
		d.stop()
		if last := c.Last(); last != "" {
			reason += ": " + last
		}
		return nil, &FailedError{Device: d.Name, Reason: reason}
	case <-timer.C:
		d.stop()
		return nil, &FailedError{Device: d.Name, Hung: true, Reason: fmt.Sprintf("no answer in %s; its process was killed", limit)}
	case <-ctx.Done():
		d.stop()
		return nil, ctx.Err()
	}
}

// ask sends a request and waits for the reply.
func (d *Device) ask(ctx context.Context, r *request) (*reply, error) {
	if d.child == nil {
		if err := d.start(ctx); err != nil {
			return nil, err
		}
	}
	// It is written beside the wait, which has a bound. A child that has ended
	// takes no request; wait says how it ended.
	go func(c *child) {
		c.writing.Lock()
		defer c.writing.Unlock()
		_ = c.sender.send(r)
	}(d.child)
	limit := DefaultTimeout
	if d.timeout > 0 {
		limit = d.timeout
	}
	if d.searching {
		limit = min(limit, searchTimeout)
	}
	rep, err := d.wait(ctx, limit)
	if err == nil && rep.Err != "" {
		d.stop()
		return nil, &FailedError{Device: d.Name, Reason: printable.Line(rep.Err)}
	}
	if err == nil {
		d.free = rep.Free
	}
	return rep, err
}

// About says what the device is, and starts it if need be. The error is a
// *MissingError where this machine lacks it.
func (d *Device) About(ctx context.Context) (string, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.child == nil {
		if err := d.start(ctx); err != nil {
			return "", err
		}
	}
	return d.child.about, nil
}

// Close ends the child, if there is one; the next call starts another and
// looks anew whether the machine has the device.
func (d *Device) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.missing = nil
	if d.child != nil {
		d.stop()
	}
}

// Result is what a trace came to on a device: an outcome, or how the device
// failed.
type Result struct {
	inplace.Outcome
	Err error // a *FailedError, or an extent too large for the device
	// NotRun says that earlier traces made the device fail too often.
	NotRun bool
}

// maxFailures is how often a device may fail in one Run: each failure takes a
// fresh process, or the whole time limit.
const maxFailures = 3

// largeTrace is the blocks from which on a trace is run by itself, a launch
// a step: there a launch costs less than what it does.
const largeTrace = 1 << 14

// maxBatch bounds what one launch of many traces takes on the device.
const maxBatch = 1 << 30

// Run runs traces; the small ones that ask for an order share launches. The
// results are in the order of the traces. An error means that there is no
// device, or that ctx has ended.
func (d *Device) Run(ctx context.Context, traces []*inplace.Trace) ([]Result, error) {
	// The records are made before the device is taken, so that callers who run
	// side by side keep it busy.
	var parts []part
	var small []int
	bytes := int64(0)
	flush := func() {
		if len(small) > 0 {
			parts = append(parts, newPart(traces, small))
		}
		small, bytes = nil, 0
	}
	for i, s := range traces {
		n, blocks := int64(0), 0
		for id := range s.Sizes {
			n += int64(s.Elements(id) * s.Shape.DType.Size())
		}
		for k := range s.Steps {
			if s.Steps[k].Kind == inplace.Move {
				blocks += s.Steps[k].Kernel.Blocks()
			}
		}
		if s.Native || s.Graph || blocks >= cmp.Or(d.large, largeTrace) {
			flush()
			parts = append(parts, part{which: []int{i}, alone: true})
			continue
		}
		if bytes+n > maxBatch {
			flush()
		}
		small, bytes = append(small, i), bytes+n
	}
	flush()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failures = 0
	results := make([]Result, len(traces))
	for _, p := range parts {
		var err error
		if p.alone {
			err = d.single(ctx, traces[p.which[0]], &results[p.which[0]])
		} else {
			err = d.together(ctx, traces, p, results)
		}
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}

// part is traces that run together, or one alone.
type part struct {
	which []int
	alone bool
	batch *batch
}

func newPart(traces []*inplace.Trace, which []int) part {
	picked := make([]*inplace.Trace, len(which))
	for k, i := range which {
		picked[k] = traces[i]
	}
	return part{which: which, batch: encode(picked, true)}
}

// together runs traces in one launch. Where the device fails they are run in
// halves, each on a fresh child, until the one to blame is found.
func (d *Device) together(ctx context.Context, traces []*inplace.Trace, p part, results []Result) error {
	if d.failures >= maxFailures {
		for _, i := range p.which {
			results[i].NotRun = true
		}
		return nil
	}
	err := p.batch.err
	if err == nil {
		r := p.batch.request()
		r.groups, r.Blocks, r.Ticketed = bytesOf(p.batch.groups), nil, true
		var rep *reply
		if rep, err = d.ask(ctx, &request{Run: r}); err == nil {
			p.batch.outcomes(rep, func(k int, o inplace.Outcome) { results[p.which[k]].Outcome = o })
			p.batch.done()
			return nil
		}
		var failed *FailedError
		if !errors.As(err, &failed) {
			return err
		}
	}
	if len(p.which) == 1 {
		d.failures++
		results[p.which[0]].Err = err
		return nil
	}
	defer func(was bool) { d.searching = was }(d.searching)
	d.searching = true
	half := len(p.which) / 2
	if err := d.together(ctx, traces, newPart(traces, p.which[:half]), results); err != nil {
		return err
	}
	return d.together(ctx, traces, newPart(traces, p.which[half:]), results)
}

// single runs one trace, a launch a step.
func (d *Device) single(ctx context.Context, s *inplace.Trace, result *Result) error {
	if result.NotRun = d.failures >= maxFailures; result.NotRun {
		return nil
	}
	b := encode([]*inplace.Trace{s}, false)
	if b.err != nil {
		result.Err = b.err
		return nil
	}
	r := b.request()
	r.Ticketed = !s.Native
	if s.Graph {
		numbers := map[*inplace.Plan]int{nil: 0}
		for i := range s.Steps {
			p := s.Steps[i].Plan
			if _, ok := numbers[p]; !ok {
				numbers[p] = len(numbers)
			}
			r.Plans = append(r.Plans, numbers[p])
		}
	}
	rep, err := d.ask(ctx, &request{Run: r})
	var failed *FailedError
	if errors.As(err, &failed) {
		d.failures++
		result.Err = err
		return nil
	}
	if err != nil {
		return err
	}
	b.outcomes(rep, func(_ int, o inplace.Outcome) { result.Outcome = o })
	return nil
}

// request is the batch as the child wants it, a launch a step of slot 0.
func (b *batch) request() *runRequest {
	return &runRequest{words: bytesOf(b.words), Slots: len(b.traces), Memory: b.memory, Blocks: b.blocks[0]}
}

// outcomes reads the states that a child sent back.
func (b *batch) outcomes(r *reply, each func(i int, o inplace.Outcome)) {
	state := wordsOf(r.State)
	next := 0
	for i := range b.traces {
		w := state[stateWords*i:]
		if w[0] == 0 {
			each(i, inplace.Outcome{})
			continue
		}
		each(i, inplace.Outcome{Failed: true, Step: int(w[1]), Wrong: int(w[0]), First: int(w[2]), Memory: r.Memory[next]})
		next++
	}
}
