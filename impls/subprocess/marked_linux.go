package subprocess

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// killRounds bounds how often the processes are looked through. What is forked
// meanwhile is met in the next round, so two in a row must find none.
const killRounds = 10

// killMarked ends every process that has the mark in its environment.
func killMarked(mark string) {
	clean := 0
	for i := 0; i < killRounds && clean < 2; i++ {
		if clean++; !noneMarked(mark) {
			clean = 0
		}
		time.Sleep(time.Millisecond)
	}
}

// noneMarked ends the processes with the mark in their environment, and reports
// whether there was surely none. The environment of a process that has ended is
// empty, that of another user's cannot be read.
func noneMarked(mark string) bool {
	proc, err := os.Open("/proc")
	if err != nil {
		return true
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1) // those that were read are of use
	none := true
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == os.Getpid() {
			continue
		}
		dir := "/proc/" + name
		env, err := os.ReadFile(dir + "/environ")
		switch {
		case err != nil:
		case bytes.Contains(env, []byte(mark)):
			none = false
			_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended
		case len(env) == 0 && starting(dir):
			none = false
		}
	}
	return none
}

// starting reports whether a process is about to run a program: for a moment it
// then has neither arguments nor an environment. So has one that has ended and
// one of the kernel's, but those have no file that they run.
func starting(dir string) bool {
	if _, err := os.Readlink(dir + "/exe"); err != nil {
		return false
	}
	args, err := os.ReadFile(dir + "/cmdline")
	return err == nil && len(args) == 0
}
