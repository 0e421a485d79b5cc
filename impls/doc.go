// Package impls is the contract of a sliding-window key/value cache: what its
// author implements, and what its tensors are. Package props tests whoever
// implements it.
//
// [Cache] is all that is needed, and says what a cache promises. What it can do
// beyond that, it says by implementing [Storer], [Cropper], [RaggedCropper],
// [RaggedUpdater], [Selector], [Layered], [Snapshotter], [Positioner], [Masker] or [Sinker].
// A [Shape] is the size of a cache, a [Tensor] a view of rows.
//
// The built-in caches are in package window, the programs that they run in
// package inplace. Package caches has small ones of other designs, to read and copy.
package impls
