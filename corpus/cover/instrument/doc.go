// Package instrument builds programs with Go's coverage counters and runs inputs
// in them, thousands in one process: a fuzz target of anybody, whose code needs no
// change, or case files. It needs the go command.
package instrument
