package gpu

import (
	"bufio"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/slidefuzz/slidefuzz/impls/printable"
	"github.com/slidefuzz/slidefuzz/impls/subprocess"
)

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
