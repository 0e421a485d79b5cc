//go:build !unix

package worker

import "os/exec"

func setGroup(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) { _ = cmd.Process.Kill() } // it may have ended

func resident(int) int64 { return 0 }
