package worker

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/slidefuzz/slidefuzz/impls/subprocess"
)

// process is one run of the command.
type process struct {
	*subprocess.Process
	in, out *os.File
	replies chan *Message // closed when there will be no more
	readErr error         // why, once it is closed
	closing sync.Once
	closed  chan struct{} // closed with the pipes

	tooLarge atomic.Int64 // the memory for which it was killed
}

// startProcess runs a command until it ends or kill is called. It is killed
// where it takes more than memory bytes.
func startProcess(args, env []string, memory int64) (*process, error) {
	childIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer childIn.Close()
	out, childOut, err := os.Pipe()
	if err != nil {
		_ = in.Close()
		return nil, err
	}
	defer childOut.Close()
	p := &process{in: in, out: out, replies: make(chan *Message, 1), closed: make(chan struct{})}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env, cmd.Stdin, cmd.Stdout = env, childIn, childOut
	if p.Process, err = subprocess.Start(cmd); err != nil {
		p.close()
		return nil, err
	}
	go p.read()
	go p.watchMemory(memory)
	go func() {
		<-p.Exited()
		// What it wrote before it ended is still there to be read. Whoever else
		// has its standard output open, it gives no more replies.
		time.AfterFunc(lastWords, p.close)
	}()
	return p, nil
}

// lastWords is how long the replies of a process that has ended are waited for:
// they lie in the pipe.
const lastWords = time.Second

// read takes replies until there are no more, or none that make sense.
func (p *process) read() {
	defer close(p.replies)
	r := bufio.NewReaderSize(p.out, 1<<16)
	for {
		m, err := Read(r)
		if err != nil {
			p.readErr = err
			return
		}
		select {
		case p.replies <- m:
		case <-p.closed:
			p.readErr = os.ErrClosed
			return
		}
	}
}

// close closes the pipes: nothing reads or writes them any more.
func (p *process) close() {
	p.closing.Do(func() {
		_ = p.in.Close()  // the worker may have closed it,
		_ = p.out.Close() // and what it says now is of no interest
		close(p.closed)
	})
}

// kill ends the process at once.
func (p *process) kill() {
	p.Kill()
	p.close()
}

// ended waits for the process to end by itself, at most so long.
func (p *process) ended(ctx context.Context, patience time.Duration) bool {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-p.Exited():
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}

// watchMemory kills a process that takes more than limit bytes.
func (p *process) watchMemory(limit int64) {
	// Often enough that a leak of some GiB a second is met in time.
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.Exited():
			return
		case <-tick.C:
			if n := resident(p.Pid()); n > limit {
				p.tooLarge.Store(n)
				p.Kill()
				return
			}
		}
	}
}

// resident is the memory of a process in bytes, 0 where the system does not
// tell.
func resident(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(text)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
