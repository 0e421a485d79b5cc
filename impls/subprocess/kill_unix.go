//go:build unix

package subprocess

import (
	"os"
	"os/exec"
	"syscall"
)

// setGroup gives a process that has not started a group of its own: Ctrl-C at
// the terminal is its parent's.
func setGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// kill ends a process and its group.
func kill(pid int) { killGroup(pid) }

// killGroup ends what is in a group: its number is nobody else's while anything
// is.
func killGroup(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) } // it may be empty

// wasKilled reports whether a signal that no process can refuse ended it.
func wasKilled(s *os.ProcessState) bool {
	w, ok := s.Sys().(syscall.WaitStatus)
	return ok && w.Signaled() && w.Signal() == syscall.SIGKILL
}
