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
	shape     impls.Shape // of New
	batch     int         // of the moment
	taken     map[int]int // the batches of snapshots
	positions [][]int
	visible   [][][]bool
	starts    int
}

// Another is the client of another process of the same worker, with the same limits. It is
// not started, and has no order.
func (c *Client) Another() *Client {
	return &Client{Args: c.Args, Timeout: c.Timeout, Memory: c.Memory}
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

// Starts is how many processes there have been.
func (c *Client) Starts() int { return c.starts }

// Ended is what ended the worker since the last New, nil if nothing did.
func (c *Client) Ended() *ProcessError { return c.fault }

// New drops the cache before it and makes an empty one.
func (c *Client) New(ctx context.Context, s impls.Shape) error {
	c.fault, c.positions, c.visible, c.Order = nil, nil, nil, nil
	if _, err := c.Hello(ctx); err != nil {
		return err
	}
	c.shape = s
	c.shape.Layout = impls.HeadsFirst
	c.batch, c.taken = s.Batch, map[int]int{}
	_, err := c.ask(ctx, "new", map[string]string{
		"batch": strconv.Itoa(s.Batch), "heads": strconv.Itoa(s.Heads), "window": strconv.Itoa(s.Window),
		"dim": strconv.Itoa(s.Dim), "dtype": s.DType.String(),
	})
	return err
}

// Update is impls.Cache's. After a fault the fault comes back for every call
// until New.
func (c *Client) Update(ctx context.Context, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	return c.update(ctx, nil, keys, values)
}

// UpdateEach is impls.RaggedUpdater's.
func (c *Client) UpdateEach(ctx context.Context, keys, values impls.Tensor, lengths []int) (k, v impls.Tensor, err error) {
	if err := c.offered("update", "ragged"); err != nil {
		return k, v, err
	}
	return c.update(ctx, map[string]string{"lens": formatList(lengths)}, keys, values)
}

func (c *Client) update(ctx context.Context, meta map[string]string, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if c.Order != nil && c.hello.Order {
		if meta == nil {
			meta = map[string]string{}
		}
		meta["order"] = formatList(c.Order)
	}
	reply, err := c.ask(ctx, "update", meta, pack("keys", &keys), pack("values", &values))
	if err != nil {
		return k, v, err
	}
	returned := [2]impls.Tensor{}
	for i, name := range [...]string{"keys", "values"} {
		if returned[i], err = unpack(reply.Tensor(name)); err != nil {
			return k, v, c.fail(Nonsense, "the reply to update: %s: %v", name, err)
		}
	}
	// A chunk of another batch should be refused. One that was taken is for the
	// judge, not a fault of the protocol: what is said of it has its batch.
	c.positions, c.visible = nil, nil
	if t := reply.Tensor("positions"); t != nil {
		if c.positions, err = unpackPositions(t, keys.Batch); err != nil {
			return k, v, c.fail(Nonsense, "the reply to update: positions: %v", err)
		}
	}
	if t := reply.Tensor("visible"); t != nil {
		if c.visible, err = unpackVisible(t, keys.Batch, keys.Rows, returned[0].Rows); err != nil {
			return k, v, c.fail(Nonsense, "the reply to update: visible: %v", err)
		}
	}
	return returned[0], returned[1], nil
}

// Reset is impls.Cache's. A worker that refuses it breaks the protocol.
func (c *Client) Reset(ctx context.Context) error {
	c.positions, c.visible = nil, nil
	_, err := c.ask(ctx, "reset", nil)
	var refused *RefusedError
	if errors.As(err, &refused) {
		return c.fail(Nonsense, "reset was refused: %s", refused.Reason)
	}
	if err == nil {
		c.batch = c.shape.Batch
	}
	return err
}

// Crop is impls.Cropper's.
func (c *Client) Crop(ctx context.Context, n int) error {
	if err := c.offered("crop", "crop"); err != nil {
		return err
	}
	_, err := c.ask(ctx, "crop", map[string]string{"length": strconv.Itoa(n)})
	return err
}

// CropEach is impls.RaggedCropper's.
func (c *Client) CropEach(ctx context.Context, lengths []int) error {
	if err := c.offered("crop", "crop-each"); err != nil {
		return err
	}
	_, err := c.ask(ctx, "crop", map[string]string{"lengths": formatList(lengths)})
	return err
}

// Select is impls.Selector's.
func (c *Client) Select(ctx context.Context, entries []int) error {
	if err := c.offered("select", "select"); err != nil {
		return err
	}
	_, err := c.ask(ctx, "select", map[string]string{"entries": formatList(entries)})
	if err == nil {
		c.batch = len(entries)
	}
	return err
}

// Snapshot is impls.Snapshotter's.
func (c *Client) Snapshot(ctx context.Context, id int) error {
	err := c.snapshots(ctx, "snapshot", id)
	if err == nil {
		c.taken[id] = c.batch
	}
	return err
}

// Restore is impls.Snapshotter's.
func (c *Client) Restore(ctx context.Context, id int) error {
	err := c.snapshots(ctx, "restore", id)
	if batch, ok := c.taken[id]; ok && err == nil {
		c.batch = batch
	}
	return err
}

func (c *Client) snapshots(ctx context.Context, op string, id int) error {
	if err := c.offered(op, "snapshot"); err != nil {
		return err
	}
	_, err := c.ask(ctx, op, map[string]string{"id": strconv.Itoa(id)})
	return err
}

// offered refuses a request of a capability that the worker lacks.
func (c *Client) offered(op, capability string) error {
	if c.hello.Offers(capability) {
		return nil
	}
	return &RefusedError{op, "the worker does not offer it"}
}

// Positions is impls.Positioner's.
func (c *Client) Positions() [][]int { return c.positions }

// Visible is impls.Masker's.
func (c *Client) Visible() [][][]bool { return c.visible }

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
// PyTorch code as source, its variant where it has one, and for a worker of grammar 2
// its lines as program and ir; the reply holds name and script.
func (c *Client) Reproducer(ctx context.Context, text []byte, p inplace.Program, variant string) (Reproducer, error) {
	hello, err := c.Hello(ctx)
	if err != nil || !hello.Script {
		return Reproducer{}, err
	}
	meta := map[string]string{"case": string(text)}
	if len(p.Buffers) > 0 {
		if meta["source"] = pyTorch(p, "p0"); hello.Grammar > 1 {
			meta["program"], meta["ir"] = programText(p), irText(p)
		}
		if variant != "" {
			meta["variant"] = variant
		}
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
