//go:build race

package inplace

// RaceEnabled reports whether the binary was built with -race.
const RaceEnabled = true
