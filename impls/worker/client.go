package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/printable"
)

// Kind is how a worker failed.
type Kind uint8

// The kinds.
const (
	Crash    Kind = iota // its process ended
	Hang                 // it did not answer in time
	Nonsense             // it answered something that the protocol does not allow
	Memory               // it took more than it may
)

// ProcessError is what a worker did instead of answering. Its process is gone.
type ProcessError struct {
	Kind   Kind
	Detail string
}

func (f *ProcessError) Error() string { return f.Detail }

// RefusedError is a reply that refuses its request, in the worker's words.
type RefusedError struct{ Op, Reason string }

func (e *RefusedError) Error() string { return e.Reason }

// Unwrap makes errors.Is(err, impls.ErrRefused) true.
func (e *RefusedError) Unwrap() error { return impls.ErrRefused }

// DefaultTimeout is how long a worker may take for one reply: a compiler that
// meets a new shape takes tens of seconds on a small machine.
const DefaultTimeout = 2 * time.Minute

// DefaultMemory is the most memory that a worker may use, in bytes: PyTorch
// with its compiler takes 1 to 3 GiB.
const DefaultMemory = 8 << 30

// MaxOrder is the most blocks of an order: as text they take some 400 KiB, and a
// header has a MiB.
const MaxOrder = 1 << 16

// Client is a worker's process, started when it is first needed and again after
// a fault. Between New and the next New it drives one cache. It is not for use
// by two goroutines at once. A call whose context ends returns the context's
// error, and the process is gone, for its reply would be taken for the next one;
// that is no fault.
type Client struct {
	// Args is the command and its arguments.
	Args []string
	// Timeout is how long it may take to reply, 0 for DefaultTimeout.
	Timeout time.Duration
	// StartTimeout is how long it may take to answer hello, 0 for DefaultStartTimeout, or
	// Timeout where that is longer.
	StartTimeout time.Duration
	// Threads is OMP_NUM_THREADS in its environment, unless it has one; 0 for none.
	Threads int
	// Memory is the most bytes that it may hold in memory, 0 for
	// DefaultMemory. Watched on Linux alone.
	Memory int64
	// Order is the numbers of blocks in the order in which the worker's kernels are
	// to run them, each once, at most MaxOrder of them: it goes with every update to a
	// worker with the capability order. Blocks that it does not list come after,
	// ascending. Nil asks for none. New forgets it.
	Order []int

	hello     *Hello
	process   *process
	fault     *ProcessError
	before    string      // what ended the last process, "" where that answered hello and has not failed
	shape     impls.Shape // of New
	batch     int         // of the moment
	taken     map[int]int // the batches of snapshots
	positions [][]int
	visible   [][][]bool
	starts    int
	pauses    []time.Duration // nil for restartPauses
	another   bool            // a process of the same worker has started before
	gaveUp    bool            // all tries to start it again were in vain, the last time
	silent    *StartError     // of a start that took all the time that one may
	retries   *retries        // shared with those that are another of this one; nil before the first
}

// Another is the client of another process of the same worker, with the same limits. It is
// not started, and has no order.
func (c *Client) Another() *Client {
	c.countsRetries()
	return &Client{
		Args: c.Args, Timeout: c.Timeout, StartTimeout: c.StartTimeout, Threads: c.Threads, Memory: c.Memory,
		pauses: c.pauses, another: c.startedBefore(), retries: c.retries,
	}
}

// Said is what the worker said when it started last, nil if it never has. It starts nothing.
func (c *Client) Said() *Hello { return c.hello }

// Starts is how many processes there have been.
func (c *Client) Starts() int { return c.starts }

// Ended is what ended the worker since the last New, nil if nothing did.
func (c *Client) Ended() *ProcessError { return c.fault }

// Close ends the worker: it is asked to go, and then made to.
func (c *Client) Close(ctx context.Context) error {
	p := c.process
	if p == nil {
		return nil
	}
	if _, err := c.ask(ctx, "bye", nil); err != nil {
		return err
	}
	c.process = nil
	_ = p.in.Close() // it may have closed it
	byItself := p.ended(ctx, closeTime)
	p.kill()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case !byItself:
		return &ProcessError{Hang, fmt.Sprintf("after bye: its process still ran %s later, and slidefuzz killed it", closeTime)}
	case !p.Succeeded():
		return &ProcessError{Crash, "after bye: its process ended (" + p.State() + ")"}
	}
	return nil
}

// closeTime is how long a worker may take to go once it has said goodbye:
// PyTorch takes a second to put its threads away.
const closeTime = 10 * time.Second

// Kill ends the worker at once.
func (c *Client) Kill() {
	if p := c.process; p != nil {
		c.process = nil
		p.kill()
	}
}

// LimitsThreads reports whether Threads is what the process has, and its environment says
// nothing of that.
func (c *Client) LimitsThreads() bool {
	_, set := os.LookupEnv(threadsEnv)
	return !set && c.Threads > 0
}

// threadsEnv is how many threads OpenMP, and so PyTorch, takes.
const threadsEnv = "OMP_NUM_THREADS"

// ask sends a request and takes its reply.
func (c *Client) ask(ctx context.Context, op string, meta map[string]string, tensors ...Tensor) (*Message, error) {
	return c.askWithin(ctx, cmp.Or(c.Timeout, DefaultTimeout), op, meta, tensors...)
}

// askWithin is ask with another time limit.
func (c *Client) askWithin(ctx context.Context, limit time.Duration, op string, meta map[string]string, tensors ...Tensor) (*Message, error) {
	if c.fault != nil {
		return nil, c.fault
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	p := c.process
	if p == nil {
		return nil, errors.New("the worker does not run; New starts it")
	}
	select {
	case m, ok := <-p.replies:
		if ok {
			return nil, c.fail(Nonsense, "a reply without a request, before %s: %v", op, m.Meta)
		}
		return nil, c.gone(ctx, "before "+op)
	default:
	}
	p.Ask()
	all := map[string]string{"op": op}
	for k, v := range meta {
		all[k] = v
	}
	sent := make(chan error, 1)
	go func() { sent <- (&Message{Meta: all, Tensors: tensors}).Write(p.in) }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	var reply *Message
	replies := p.replies
	for reply == nil || sent != nil {
		select {
		case err := <-sent:
			sent = nil
			// A worker that is gone takes no request; its replies end, which
			// tells more than a broken pipe.
			if errors.Is(err, errTooLarge) {
				return nil, err
			}
		case m, ok := <-replies:
			if !ok && reply != nil {
				replies = nil // as after bye; what follows is the next request's
				continue
			}
			if !ok {
				return nil, c.gone(ctx, "in reply to "+op)
			}
			if reply != nil {
				return nil, c.fail(Nonsense, "two replies to %s", op)
			}
			reply = m
		case <-timer.C:
			select {
			case <-p.Exited():
				// It did not hang: another process holds its standard output.
				p.close()
				for range p.replies {
				}
				return nil, c.gone(ctx, "in reply to "+op)
			default:
			}
			if reply != nil {
				return nil, c.fail(Hang, "it replied to %s and did not read all of the request in %s, and slidefuzz killed its process", op, limit)
			}
			return nil, c.fail(Hang, "no reply to %s in %s, and slidefuzz killed its process", op, limit)
		case <-ctx.Done():
			c.Kill()
			return nil, ctx.Err()
		}
	}
	if reason, ok := reply.Meta["error"]; ok {
		return nil, &RefusedError{op, printable.Line(reason)}
	}
	return reply, nil
}

// fail ends the worker for what it did.
func (c *Client) fail(kind Kind, format string, args ...any) error {
	c.fault = &ProcessError{kind, printable.Line(fmt.Sprintf(format, args...))}
	c.before = c.fault.Detail
	c.Kill()
	return c.fault
}

// exitTime is how long a process may live on once its standard output is closed,
// which the system does to a process that ends: what is left to do then takes
// milliseconds.
const exitTime = 2 * time.Second

// gone says why there are no more replies.
func (c *Client) gone(ctx context.Context, when string) error {
	p := c.process
	err := p.readErr
	cut := errors.Is(err, errTruncated)
	if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrClosed) && !cut {
		// It still runs and talks nonsense.
		return c.fail(Nonsense, "%s: %v", when, err)
	}
	byItself := p.ended(ctx, exitTime)
	c.Kill()
	if !byItself && ctx.Err() != nil {
		return ctx.Err()
	}
	detail := when + ": "
	if large := p.tooLarge.Load(); large > 0 {
		return c.fail(Memory, "%sit used %d MiB of memory, and slidefuzz killed it; --worker-memory raises the limit", detail, large>>20)
	}
	kind := Crash
	where := ""
	if cut {
		where = " in the middle of a reply (" + err.Error() + ")"
	}
	switch {
	case !byItself:
		kind = Nonsense
		detail += fmt.Sprintf("it closed its standard output%s and still ran %s later, and slidefuzz killed it", where, exitTime)
	case p.Killed():
		detail += "its process ended (signal: killed; slidefuzz did not kill it, but the system may have for want of memory)" + where
	default:
		detail += "its process ended (" + p.State() + ")" + where
	}
	if last := p.Last(); last != "" {
		detail += ": " + last
	}
	return c.fail(kind, "%s", detail)
}
