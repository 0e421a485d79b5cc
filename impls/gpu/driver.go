package gpu

import (
	"fmt"
	"unsafe"
)

// smallGroup and largeGroup are the work-items of a group: few for a launch of
// many small traces, whose blocks are small; many for one trace's large
// blocks. 32 is what NVIDIA runs in step; 256 with 8 registers each holds the
// 1024 cells of the blocks that compilers commonly choose, with room.
const (
	smallGroup = 32
	largeGroup = 256
)

// driver is an OpenCL or CUDA device. Calls are made from one thread. Errors
// name the call; after one the process is not to be used any more.
type driver interface {
	// about is the device and its driver, for people.
	about() string
	alloc(bytes int64) (buffer, error)
	free(buffer) error
	write(b buffer, at int64, data []byte) error
	read(b buffer, at int64, data []byte) error
	zero(b buffer, bytes int64) error
	// launch starts a kernel on groups groups of local work-items. The
	// arguments are buffers, uint32 and uint64.
	launch(kernel string, groups, local int, args ...any) error
	sync() error
	// capture calls what, which launches kernels, and keeps the launches
	// instead of running them; replay runs them. OpenCL has neither.
	capture(what func() error) (graph, error)
	replay(graph) error
	release(graph) error
	// freeMemory is the device's free memory in bytes, or 0 where the driver
	// does not tell.
	freeMemory() int64
}

type (
	buffer uintptr
	graph  uintptr
)

// kernels are the names of the kernels in kernel.cl.
var kernels = []string{"slots", "readall", "judged"}

// MissingError says why a device cannot be used on this machine, and what to
// install.
type MissingError struct{ Device, Reason string }

func (e *MissingError) Error() string { return fmt.Sprintf("device %s: %s", e.Device, e.Reason) }

// bytesOf views words as bytes. Devices and machines that run this are
// little-endian (see the build tags).
func bytesOf(w []uint32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(w))), 4*len(w))
}

// viewWords is the inverse of bytesOf: the same memory.
func viewWords(b []byte) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

func wordsOf(b []byte) []uint32 {
	w := make([]uint32, len(b)/4)
	copy(bytesOf(w), b)
	return w
}
