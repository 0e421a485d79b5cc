package worker

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"github.com/slidefuzz/slidefuzz/impls/subprocess"
)

// process is one run of the command.
type process struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	replies chan *Message // closed when there will be no more
	readErr error         // why, once it is closed
	stderr  subprocess.Tail
	watch   chan struct{} // closed when the process is no longer watched

	mu       sync.Mutex
	tooLarge int64 // the memory for which it was killed
}

func (p *process) kill() { subprocess.KillGroup(p.cmd) }

// end waits for the process, at most so long, and says how it ended.
func (p *process) end(patience time.Duration) string {
	done := make(chan struct{})
	go func() {
		for range p.replies { // what it was about to say
		}
		_ = p.cmd.Wait() // the state below says how it ended
		close(done)
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		p.kill()
		<-done
	}
	close(p.watch)
	return p.cmd.ProcessState.String()
}

// watchMemory kills a process that takes more than limit bytes.
func (p *process) watchMemory(limit int64) {
	// Often enough that a leak of some GiB a second is met in time.
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.watch:
			return
		case <-tick.C:
			if n := resident(p.cmd.Process.Pid); n > limit {
				p.mu.Lock()
				p.tooLarge = n
				p.mu.Unlock()
				p.kill()
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
