package inplace

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// Host runs the blocks of a kernel on as many goroutines as GOMAXPROCS says,
// in whatever order they come: the schedule is the machine's own. A kernel
// with a conflict is then a data race on purpose; a binary built with -race
// runs such a kernel on one goroutine, since its detector would fail the test
// that asked for it.
type Host struct{}

// Run implements Device; the order is ignored.
func (d *Host) Run(k *Kernel, mem [][]byte, size int, _ []int32) {
	blocks := k.Blocks()
	workers := min(runtime.GOMAXPROCS(0), blocks)
	if RaceEnabled && !k.disjoint && k.Conflict() {
		workers = 1
	}
	var next atomic.Int64
	work := func() {
		var scratch []byte
		if !k.disjoint || k.adds {
			scratch = make([]byte, min(k.Block, k.Cells())*size)
		}
		for b := int(next.Add(1)) - 1; b < blocks; b = int(next.Add(1)) - 1 {
			k.runBlock(b, mem, size, scratch)
		}
	}
	var group sync.WaitGroup
	for range workers - 1 {
		group.Go(work)
	}
	work()
	group.Wait()
}
