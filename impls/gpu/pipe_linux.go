package gpu

import (
	"os"
	"syscall"
)

// setPipeSize is F_SETPIPE_SZ of fcntl, which syscall does not name.
const setPipeSize = 1031

// widen gives a pipe a buffer of a MiB, what Linux allows anyone, instead of 64 KiB: a
// batch has megabytes, and each time it is full the two processes take turns. Where that
// is refused the pipe stays as it is.
func widen(pipe *os.File) {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_, _, _ = syscall.Syscall(syscall.SYS_FCNTL, fd, setPipeSize, 1<<20)
	})
}
