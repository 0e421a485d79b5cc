// Package caches has small sound caches, each built as some real design is, and
// faults of real caches planted in them. [List] names them all.
//
// They are for reading and for copying: each is a file of less than 80 lines. What the
// caches share whose entries are chosen, cropped and saved stands in batch.go, ragged.go
// and pool.go, the handling of rows in rows.go. Where a cache asks which bug it has, it
// is to have a fault planted, and a copy can leave the question out.
package caches
