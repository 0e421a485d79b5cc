//go:build unix

package main

import (
	"syscall"
	"time"
)

// cpuTimes is the processor time of this program and that of its children that have
// ended, as servers and workers; zeros where it is not known.
func cpuTimes() (own, children time.Duration) {
	of := func(who int) time.Duration {
		var r syscall.Rusage
		if syscall.Getrusage(who, &r) != nil {
			return 0
		}
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	return of(syscall.RUSAGE_SELF), of(syscall.RUSAGE_CHILDREN)
}
