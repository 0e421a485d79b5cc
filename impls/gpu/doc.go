// Package gpu runs traces (inplace.Trace) on OpenCL and CUDA devices, without
// cgo: libOpenCL.so.1, and libcuda.so.1 with NVRTC, are opened when a device is.
//
// A device works in a child process, since drivers crash, hang and take over
// signals: the same binary, started again with SLIDEFUZZ_DEVICE_CHILD set. The
// child never returns from the package's init. Whatever happens to a child, the
// next call starts a fresh one.
//
// Blocks run in the order that a trace asks for: each takes a ticket when it
// starts, waits for the ticket before it, and works on the block whose turn it
// is. Many small traces go into one launch; a large one takes a launch a step.
package gpu
