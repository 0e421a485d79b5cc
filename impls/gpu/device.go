package gpu

import (
	"cmp"
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/printable"
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
