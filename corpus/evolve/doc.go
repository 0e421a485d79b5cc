// Package evolve makes the cases of a hunt that goes on from those that earlier hunts
// kept: it says what is worth keeping, in which order it is run again, and how a kept
// case is varied. It runs nothing and writes nothing.
package evolve
