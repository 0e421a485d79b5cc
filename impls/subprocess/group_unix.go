//go:build unix

package subprocess

import (
	"os/exec"
	"syscall"
)

// SetGroup gives a process that has not started a group of its own: Ctrl-C at
// the terminal is its parent's.
func SetGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// KillGroup ends a process that SetGroup was called on, and all that it started.
func KillGroup(cmd *exec.Cmd) {
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // it may have ended
}
