// Package inplace turns updates in place into kernels and runs their blocks in a
// chosen order.
//
// A [Program] is assignments between views of buffers. A [Lowering] makes kernels
// of it, two of them with a compiler's real fault. A [Kernel] is copies from
// storage to storage, cut into blocks; [Kernel.Hazards] says which blocks must
// not change places, and a [Device] runs it: [Sim] in exactly the order of a
// [Schedule], [Host] on goroutines. A [Trace] is all that a case does to memory,
// for devices that run whole cases.
package inplace
