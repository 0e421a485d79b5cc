//go:build !unix

package main

import "time"

// cpuTimes is not known here.
func cpuTimes() (own, children time.Duration) { return 0, 0 }
