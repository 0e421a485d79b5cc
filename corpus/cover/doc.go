// Package cover makes a corpus small by the code that it covers: [Choose] solves
// set cover and bounds it from below, [Distil] chooses inputs by what they were
// seen to cover and proves that they do, and [Meta] and [Meta.Counters] read what
// Go's own coverage counters say of one input. It runs nothing: package instrument
// builds and runs programs.
package cover
