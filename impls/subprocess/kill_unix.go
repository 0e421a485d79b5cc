//go:build unix

package subprocess

import (
	"os/exec"
	"syscall"
)

// setGroup gives a process that has not started a group of its own: Ctrl-C at
// the terminal is its parent's.
func setGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// kill ends a process group.
func kill(pid int) { _ = syscall.Kill(-pid, syscall.SIGKILL) } // it may have ended
