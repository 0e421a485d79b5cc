// Package caches has small sound caches, each built as some real design is, and
// faults of real caches planted in them. [List] names them all.
//
// They are for reading and for copying: each is a file of its own beside the few
// functions that they share; the three whose entries go their own ways keep what they
// hold in a second one. Where a cache asks which bug it has, it is to have a fault
// planted, and the question can be left out of a copy.
package caches
