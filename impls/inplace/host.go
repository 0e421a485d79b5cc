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
	if k.disjoint && !k.adds {
		k.runPieces(mem, size, workers)
		return
	}
	if RaceEnabled && k.Conflict() {
		workers = 1
	}
	var next atomic.Int64
	work := func() {
		scratch := make([]byte, min(k.Block, k.Cells())*size)
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

// pieceBytes bounds what one goroutine copies between two looks at the counter: a piece
// is then long for memory, and the last ones end at nearly the same time.
const pieceBytes = 256 << 10

// runPieces runs a kernel in which no two blocks touch a cell that either writes: what
// is one block and what is several makes no difference, so that stretches of many go at
// once.
func (k *Kernel) runPieces(mem [][]byte, size, workers int) {
	if workers == 0 {
		return
	}
	// Four for each goroutine, where they are not too long.
	n := min(max(1, k.blocks/(4*workers))*k.Block, max(k.Block, pieceBytes/size))
	pieces := (k.cells + n - 1) / n
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < pieces; i = int(next.Add(1)) - 1 {
			k.runStretches(i*n, min((i+1)*n, k.cells), mem, size)
		}
	}
	var group sync.WaitGroup
	for range min(workers, pieces) - 1 {
		group.Go(work)
	}
	work()
	group.Wait()
}
