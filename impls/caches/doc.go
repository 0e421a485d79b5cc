// Package caches has small sound caches, each built as some real design is, and
// faults of real caches planted in them. [List] names them all.
//
// They are for reading and for copying: each is a file of fewer than 80 lines beside
// the few functions that they share, in rows.go and checks.go. The faults stand apart,
// in faults.go, each around the cache that it is planted in.
package caches
