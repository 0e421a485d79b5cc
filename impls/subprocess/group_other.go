//go:build !unix

package subprocess

import "os/exec"

// SetGroup does nothing: there are no process groups here.
func SetGroup(*exec.Cmd) {}

// KillGroup ends the process alone.
func KillGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() } // it may have ended
