package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// StartError says that a worker did not start: it did not answer hello in time, its process
// ended before it did, or what it answered is none. Nothing had been asked of it yet, so it is
// an error of the worker and no finding. Its process is gone.
type StartError struct {
	Detail string
	Err    error // of the system, where there was no process; else nil
}

func (e *StartError) Error() string { return e.Detail }

// Unwrap is Err.
func (e *StartError) Unwrap() error { return e.Err }

// DefaultStartTimeout is how long a worker may take from its start to its hello, where it
// may not take longer for each reply: it imports its libraries meanwhile.
const DefaultStartTimeout = 2 * time.Minute

// restartPauses are the pauses before a worker that has started before is started once more,
// where it did not start again: three tries in all. What the process before it held, the
// memory of a GPU, a port, a lock, may be free a second or two after its end. What is not
// after four is not free soon, and whoever waits for the hunt had better know. A first start
// has one try: its cause is most often the command.
var restartPauses = []time.Duration{time.Second, 3 * time.Second}

// Retries is how many starts of a worker failed and were tried again, and how long those and the
// pauses after them took, those of several processes added up.
type Retries struct {
	Starts int
	Took   time.Duration
}

// Add adds others.
func (r *Retries) Add(other Retries) {
	r.Starts += other.Starts
	r.Took += other.Took
}

// retries counts those of several clients.
type retries struct {
	mu sync.Mutex
	n  Retries
}

// startedBefore reports whether the worker has started, in this client or in the one that it
// is another of.
func (c *Client) startedBefore() bool { return c.hello != nil || c.another }

// countsRetries makes what counts them, where there is none.
func (c *Client) countsRetries() {
	if c.retries == nil {
		c.retries = &retries{}
	}
}

// Retries is what there was of them in this client, in all that are another of it, and in the one
// that it is another of.
func (c *Client) Retries() Retries {
	if c.retries == nil {
		return Retries{}
	}
	c.retries.mu.Lock()
	defer c.retries.mu.Unlock()
	return c.retries.n
}

// retried counts a start that failed, took that long with the pause after it, and is tried again.
func (c *Client) retried(took time.Duration) {
	c.countsRetries()
	c.retries.mu.Lock()
	defer c.retries.mu.Unlock()
	c.retries.n.Add(Retries{1, took})
}

// Hello starts the worker, if it does not run, and returns what it said. A worker that has
// started before, as another client's may have, has three tries within four seconds, unless
// one takes all the time that a start may take; those that were in vain are not made a second
// time. After one that took all its time there is no other: whoever shrinks and reports what
// was found would wait as long for each run. The error is a StartError where it does not start, which tells what ended the process
// before: of a batch of cases nobody else may.
func (c *Client) Hello(ctx context.Context) (*Hello, error) {
	if c.process != nil {
		return c.hello, nil
	}
	if c.silent != nil {
		return nil, c.silent
	}
	was, before := c.before, ""
	if was != "" {
		before = " (what ended the process before it: " + was + ")"
	}
	var pauses []time.Duration
	if c.startedBefore() && !c.gaveUp {
		if pauses = c.pauses; pauses == nil {
			pauses = restartPauses
		}
	}
	var last *StartError
	for tries := 1; ; tries++ {
		from := time.Now()
		h, err := c.startOnce(ctx)
		if err == nil {
			c.hello, c.before, c.gaveUp = h, "", false
			return h, nil
		}
		failed := c.fault
		c.fault, c.before = nil, was
		switch {
		case ctx.Err() != nil && last != nil:
			return nil, last // which was no matter of the time
		case failed == nil && (ctx.Err() != nil || !c.startedBefore()):
			return nil, fmt.Errorf("%w%s", err, before)
		}
		last = c.notStarted(failed, err, tries, before)
		if failed != nil && failed.Kind == Hang {
			c.silent = last
			return nil, last
		}
		if len(pauses) == 0 {
			c.gaveUp = true
			return nil, last
		}
		select {
		case <-time.After(pauses[0]):
			pauses = pauses[1:]
			c.retried(time.Since(from))
		case <-ctx.Done():
			return nil, last
		}
	}
}

// startOnce starts the process and asks it what it can do.
func (c *Client) startOnce(ctx context.Context) (*Hello, error) {
	c.fault = nil
	if err := c.start(ctx); err != nil {
		return nil, err
	}
	return c.sayHello(ctx)
}

// notStarted says why so many tries were in vain: what the process of the last one did, or, if
// that is nil, why there was none.
func (c *Client) notStarted(failed *ProcessError, err error, tries int, before string) *StartError {
	what, detail := "", err.Error()
	switch {
	case failed == nil:
		what, detail = starting, strings.TrimPrefix(detail, starting)
	case failed.Kind == Hang:
		what, detail = starting, fmt.Sprintf("no reply to hello in %s, and slidefuzz killed its process; --start-timeout gives it more", c.startTimeout())
	case c.hello != nil:
		what = "the worker does not start again: "
	}
	if tries > 1 {
		what += fmt.Sprintf("tried %d times, at last ", tries)
	}
	e := &StartError{Detail: what + detail + before}
	if failed == nil {
		e.Err = err
	}
	return e
}

// starting begins the error of a process that cannot be started.
const starting = "starting the worker: "

// sayHello asks a process that has just started what it can do.
func (c *Client) sayHello(ctx context.Context) (*Hello, error) {
	reply, err := c.askWithin(ctx, c.startTimeout(), "hello", map[string]string{"protocol": "1"})
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
	return h, nil
}

func (c *Client) startTimeout() time.Duration {
	return cmp.Or(c.StartTimeout, max(DefaultStartTimeout, c.Timeout))
}

func (c *Client) start(ctx context.Context) error {
	if len(c.Args) == 0 {
		return errors.New("a worker needs a command")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	p, err := startProcess(c.Args, c.environment(), cmp.Or(c.Memory, DefaultMemory))
	if err != nil {
		return fmt.Errorf(starting+"%w", err)
	}
	c.starts++
	c.process = p
	return nil
}

// environment is that of the process.
func (c *Client) environment() []string {
	env := os.Environ()
	if c.LimitsThreads() {
		env = append(env, fmt.Sprintf("%s=%d", threadsEnv, c.Threads))
	}
	return env
}
