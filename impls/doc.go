// Package impls is the contract of a sliding-window key/value cache: what the
// author of one implements, [Cache] and, as far as it goes, the optional
// interfaces, and what its tensors are. Package props tests whoever implements
// it.
//
// The built-in caches are in package window, the programs that they run in
// package inplace.
package impls
