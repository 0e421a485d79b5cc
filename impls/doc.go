// Package impls is what slidefuzz tests: sliding-window caches, and the
// machinery that turns an update into kernels and runs their blocks in a
// chosen order.
//
// An [Update] is a [Program]: assignments between views of buffers. A
// [Lowering] makes kernels of it, two of them with a compiler's real fault. A
// [Kernel] is copies from storage to storage, cut into blocks; [Kernel.Hazards]
// says which blocks must not change places, and a [Device] runs it: [Sim] in
// exactly the order of a [Schedule], [Host] on goroutines.
//
// [Cache] is what anyone's cache implements to be tested by package props.
package impls
