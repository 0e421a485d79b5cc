//go:build unix

package gpu

import (
	"os/exec"
	"syscall"
)

// setGroup gives a child a process group of its own.
func setGroup(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }
