package worker

import (
	"io"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// process is one run of the command.
type process struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	replies chan *Message // closed when there will be no more
	readErr error         // why, once it is closed
	stderr  tail
	watch   chan struct{} // closed when the process is no longer watched

	mu       sync.Mutex
	tooLarge int64 // the memory for which it was killed
}

func (p *process) kill() { killGroup(p.cmd) }

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

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// tailBytes is enough for the last lines of a stack trace.
const tailBytes = 4096

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, b[max(0, len(b)-tailBytes):]...)
	if n := len(t.text) - tailBytes; n > 0 {
		t.text = append(t.text[:0], t.text[n:]...)
	}
	return len(b), nil
}

// last is the last line that was written.
func (t *tail) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := strings.TrimSpace(string(t.text))
	return s[strings.LastIndexByte(s, '\n')+1:]
}
