//go:build !unix

package subprocess

import (
	"os"
	"os/exec"
)

// setGroup does nothing: there are no process groups here.
func setGroup(*exec.Cmd) {}

// kill ends the process alone.
func kill(pid int) {
	if p, err := os.FindProcess(pid); err == nil {
		_ = p.Kill() // it may have ended
	}
}

// killGroup does nothing.
func killGroup(int) {}

// wasKilled: a process that was ended cannot be told here from one that ended.
func wasKilled(*os.ProcessState) bool { return false }
