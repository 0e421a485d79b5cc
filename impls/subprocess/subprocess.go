// Package subprocess runs the suite's child processes, devices and workers:
// each can be ended at any moment with all that it started, and no wait for one
// is without a bound.
package subprocess

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"sync"
	"time"
)

// Process is a child process. Its standard error is read here. Its methods may
// be called by several goroutines.
type Process struct {
	cmd    *exec.Cmd
	mark   string
	stderr tail
	exited chan struct{} // closed when it has ended
	done   chan struct{} // closed when what it left behind has, too
}

// markEnv is set in the environment of a child and so of all that it starts:
// what has left its process group is known by it.
const markEnv = "SLIDEFUZZ_CHILD"

// MissingError says that the program of a command is not on this machine.
type MissingError struct {
	Program string
	Err     error
}

func (e *MissingError) Error() string {
	return fmt.Sprintf("the program %s is not there: %v", e.Program, e.Err)
}

// Unwrap gives what the system said.
func (e *MissingError) Unwrap() error { return e.Err }

var live = struct {
	sync.Mutex
	all map[*Process]bool
}{all: map[*Process]bool{}}

// Start starts a command. Its standard input, output and extra files must be
// files: with anything else the command is not done while a process that it
// left behind holds them. The error is a *MissingError where there is no such program.
func Start(cmd *exec.Cmd) (*Process, error) {
	p := &Process{cmd: cmd, mark: rand.Text(), exited: make(chan struct{}), done: make(chan struct{})}
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	// A child of a child has the marks of both.
	cmd.Env = append(cmd.Env, markEnv+"="+os.Getenv(markEnv)+" "+p.mark)
	setGroup(cmd)
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = w
	if cmd.Stdout == nil { // what is printed there is for people too
		cmd.Stdout = w
	}
	err = cmd.Start()
	_ = w.Close() // the child has its own
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			err = &MissingError{cmd.Args[0], err}
		}
		return nil, errors.Join(err, r.Close())
	}
	live.Lock()
	live.all[p] = true
	live.Unlock()
	go p.reap(r)
	return p, nil
}

// afterlife is how long a pipe may stay open once its process has ended and all
// that it left behind was killed: what was not found, as a daemon elsewhere than
// on Linux, may still hold it.
const afterlife = time.Second

// reap waits for the process and ends what it left behind.
func (p *Process) reap(stderr *os.File) {
	read := make(chan struct{})
	go func() {
		_, _ = io.Copy(&p.stderr, stderr) // it ends when nobody holds the pipe
		close(read)
	}()
	_ = p.cmd.Wait() // State says how it ended
	close(p.exited)
	killGroup(p.Pid())
	killMarked(p.mark)
	select {
	case <-read:
	case <-time.After(afterlife):
	}
	_ = stderr.Close()
	<-read
	live.Lock()
	delete(live.all, p)
	live.Unlock()
	close(p.done)
}

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Done is closed when the process and what it left behind have ended, and Last
// is the last.
func (p *Process) Done() <-chan struct{} { return p.done }

// Pid is its number.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// killTime bounds the wait for a process that was killed. The system ends it at
// once, unless a driver holds it in a call that cannot be interrupted: then it
// is left behind.
const killTime = time.Second

// Kill ends the process and all that it started, and waits for it. On Linux
// that includes processes that have left its process group, as a daemon does,
// but not one that has cleared its environment too. Elsewhere both stay.
func (p *Process) Kill() {
	select {
	case <-p.done:
		return
	default:
	}
	p.kill()
	select {
	case <-p.done:
	case <-time.After(killTime):
	}
}

// kill ends what still runs. The number of a process that has ended may be
// another's by now.
func (p *Process) kill() {
	select {
	case <-p.exited:
	default:
		kill(p.Pid())
	}
	killMarked(p.mark)
}

// Ask is called before the process is asked for something: an error that it wrote before is
// not the reason why it ends then. Of one that has ended already it may be.
func (p *Process) Ask() {
	select {
	case <-p.exited:
	default:
		p.stderr.ask()
	}
}

// Last is the last line that the process wrote to its standard error since Ask and that
// looks like an error, else its last line, fit to print.
func (p *Process) Last() string { return p.stderr.last() }

// Succeeded and Killed report of a process that has ended whether it did so with
// exit status 0, and whether something killed it.
func (p *Process) Succeeded() bool { return p.state() != nil && p.state().Success() }

// Killed: see Succeeded.
func (p *Process) Killed() bool { return p.state() != nil && wasKilled(p.state()) }

// state is nil for a process that has not ended.
func (p *Process) state() *os.ProcessState {
	select {
	case <-p.exited:
		return p.cmd.ProcessState
	default:
		return nil
	}
}

// State says how the process ended, as "exit status 3" or "signal: killed", or
// that it has not.
func (p *Process) State() string {
	if s := p.state(); s != nil {
		return s.String()
	}
	return "it could not be killed"
}

// KillAll ends every process that Start started: for a program that is about to
// exit without waiting for anything.
func KillAll() {
	live.Lock()
	defer live.Unlock()
	for p := range live.all {
		p.kill()
	}
}
