// Package caches has small sound caches, each built as some real design is, and
// bugs of real caches planted in them. [List] names them all.
//
// They are for reading and for copying: each sound one is a file of fewer than 80 lines
// beside the few functions that they share, in rows.go and checks.go. Each bug is a file
// too, bug_NAME.go, which does something more, or something else, around the cache that it
// is planted in, and a line of the list in bugs.go.
package caches
