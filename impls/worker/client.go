package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/printable"
)

// Hello is what a worker says of itself.
type Hello struct {
	Name, Version string
	// Contract is "single" or "chunks".
	Contract string
	DTypes   []impls.DType
	Device   string
	// Crop and Snapshot are the capabilities.
	Crop, Snapshot bool
	// Programs is a capability beside the caches: see Client.RunPrograms.
	Programs bool
	// Script is a capability too: see Client.Reproducer.
	Script bool
	// Sinks is how many of the first tokens every query sees besides its
	// window.
	Sinks int
}

// Offers reports whether the worker has a capability, by its word in the protocol;
// empty is what every worker can.
func (h *Hello) Offers(capability string) bool {
	switch capability {
	case "":
		return true
	case "crop":
		return h.Crop
	case "snapshot":
		return h.Snapshot
	case "programs":
		return h.Programs
	case "script":
		return h.Script
	}
	return false
}

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
	// Memory is the most bytes that it may hold in memory, 0 for
	// DefaultMemory. Watched on Linux alone.
	Memory int64

	hello     *Hello
	process   *process
	fault     *ProcessError
	shape     impls.Shape
	positions [][]int
	starts    int
}

// Hello starts the worker, if it does not run, and returns what it said.
func (c *Client) Hello(ctx context.Context) (*Hello, error) {
	if c.process != nil {
		return c.hello, nil
	}
	c.fault = nil
	if err := c.start(ctx); err != nil {
		return nil, err
	}
	reply, err := c.ask(ctx, "hello", map[string]string{"protocol": "1"})
	var refused *RefusedError
	if errors.As(err, &refused) {
		return nil, c.fail(Nonsense, "hello was refused: %s", refused.Reason) // it is no worker
	}
	if err != nil {
		return nil, err
	}
	h, err := parseHello(reply.Meta)
	if err != nil {
		return nil, c.fail(Nonsense, "hello: %v", err)
	}
	c.hello = h
	return h, nil
}

func parseHello(meta map[string]string) (*Hello, error) {
	h := &Hello{Name: printable.Line(meta["name"]), Version: printable.Line(meta["version"]), Contract: meta["contract"], Device: printable.Line(meta["device"])}
	for _, key := range []string{"name", "version", "contract", "dtypes", "device"} {
		if meta[key] == "" {
			return nil, fmt.Errorf("the reply lacks %s", key)
		}
	}
	if h.Contract != "single" && h.Contract != "chunks" {
		return nil, fmt.Errorf("contract %q: want single or chunks", h.Contract)
	}
	for name := range strings.SplitSeq(meta["dtypes"], ",") {
		d, err := impls.ParseDType(strings.TrimSpace(name))
		if err != nil {
			return nil, fmt.Errorf("dtypes: %w", err)
		}
		h.DTypes = append(h.DTypes, d)
	}
	if text := meta["capabilities"]; text != "" {
		for name := range strings.SplitSeq(text, ",") {
			switch strings.TrimSpace(name) {
			case "crop":
				h.Crop = true
			case "snapshot":
				h.Snapshot = true
			case "programs":
				h.Programs = true
			case "script":
				h.Script = true
			default:
				return nil, fmt.Errorf("capability %q: want crop, snapshot, programs or script", name)
			}
		}
	}
	if text := meta["sinks"]; text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > impls.MaxExtent {
			return nil, fmt.Errorf("sinks %q: want a number", text)
		}
		h.Sinks = n
	}
	return h, nil
}

// Starts is how many processes there have been.
func (c *Client) Starts() int { return c.starts }

// Ended is what ended the worker since the last New, nil if nothing did.
func (c *Client) Ended() *ProcessError { return c.fault }

// New drops the cache before it and makes an empty one.
func (c *Client) New(ctx context.Context, s impls.Shape) error {
	c.fault, c.positions = nil, nil
	if _, err := c.Hello(ctx); err != nil {
		return err
	}
	c.shape = s
	c.shape.Layout = impls.HeadsFirst
	_, err := c.ask(ctx, "new", map[string]string{
		"batch": strconv.Itoa(s.Batch), "heads": strconv.Itoa(s.Heads), "window": strconv.Itoa(s.Window),
		"dim": strconv.Itoa(s.Dim), "dtype": s.DType.String(),
	})
	return err
}

// Update is impls.Cache's. After a fault the fault comes back for every call
// until New.
func (c *Client) Update(ctx context.Context, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	reply, err := c.ask(ctx, "update", nil, pack("keys", &keys), pack("values", &values))
	if err != nil {
		return k, v, err
	}
	returned := [2]impls.Tensor{}
	for i, name := range [...]string{"keys", "values"} {
		if returned[i], err = unpack(reply.Tensor(name)); err != nil {
			return k, v, c.fail(Nonsense, "the reply to update: %s: %v", name, err)
		}
	}
	c.positions = nil
	if t := reply.Tensor("positions"); t != nil {
		if c.positions, err = unpackPositions(t, c.shape.Batch); err != nil {
			return k, v, c.fail(Nonsense, "the reply to update: positions: %v", err)
		}
	}
	return returned[0], returned[1], nil
}

// Reset is impls.Cache's. A worker that refuses it breaks the protocol.
func (c *Client) Reset(ctx context.Context) error {
	c.positions = nil
	_, err := c.ask(ctx, "reset", nil)
	var refused *RefusedError
	if errors.As(err, &refused) {
		return c.fail(Nonsense, "reset was refused: %s", refused.Reason)
	}
	return err
}

// Crop is impls.Cropper's.
func (c *Client) Crop(ctx context.Context, n int) error {
	if !c.hello.Crop {
		return &RefusedError{"crop", "the worker does not offer it"}
	}
	_, err := c.ask(ctx, "crop", map[string]string{"length": strconv.Itoa(n)})
	return err
}

// Snapshot is impls.Snapshotter's.
func (c *Client) Snapshot(ctx context.Context, id int) error { return c.snapshots(ctx, "snapshot", id) }

// Restore is impls.Snapshotter's.
func (c *Client) Restore(ctx context.Context, id int) error { return c.snapshots(ctx, "restore", id) }

func (c *Client) snapshots(ctx context.Context, op string, id int) error {
	if !c.hello.Snapshot {
		return &RefusedError{op, "the worker does not offer it"}
	}
	_, err := c.ask(ctx, op, map[string]string{"id": strconv.Itoa(id)})
	return err
}

// Positions is impls.Positioner's.
func (c *Client) Positions() [][]int { return c.positions }

// Sinks is impls.Sinker's.
func (c *Client) Sinks() int { return c.hello.Sinks }

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

func (c *Client) start(ctx context.Context) error {
	if len(c.Args) == 0 {
		return errors.New("a worker needs a command")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	p, err := startProcess(c.Args, cmp.Or(c.Memory, DefaultMemory))
	if err != nil {
		return fmt.Errorf("starting the worker: %w", err)
	}
	c.starts++
	c.process = p
	return nil
}

// ask sends a request and takes its reply.
func (c *Client) ask(ctx context.Context, op string, meta map[string]string, tensors ...Tensor) (*Message, error) {
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
	all := map[string]string{"op": op}
	for k, v := range meta {
		all[k] = v
	}
	sent := make(chan error, 1)
	go func() { sent <- (&Message{Meta: all, Tensors: tensors}).Write(p.in) }()
	limit := cmp.Or(c.Timeout, DefaultTimeout)
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

// Reproducer asks the worker for a program in its own language that shows a case
// without slidefuzz. The request is called script, and is part of the
// capability of that name: it holds the text of the case, and for a program its
// PyTorch code as source; the reply holds name and script.
func (c *Client) Reproducer(ctx context.Context, text []byte, p inplace.Program) (Reproducer, error) {
	hello, err := c.Hello(ctx)
	if err != nil || !hello.Script {
		return Reproducer{}, err
	}
	meta := map[string]string{"case": string(text)}
	if len(p.Buffers) > 0 {
		meta["source"] = pyTorch(p, "p0")
	}
	reply, err := c.ask(ctx, "script", meta)
	if err != nil {
		return Reproducer{}, err
	}
	name := reply.Meta["name"]
	if name == "" || name != filepath.Base(name) || strings.HasPrefix(name, ".") {
		return Reproducer{}, c.fail(Nonsense, "the reply to script: name %q: want a plain file name", name)
	}
	return Reproducer{name, []byte(reply.Meta["script"])}, nil
}

// Reproducer is a file that shows a fault without slidefuzz.
type Reproducer struct {
	Name string
	Text []byte
}
