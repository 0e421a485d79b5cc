//go:build race

package impls

// RaceEnabled reports whether the binary was built with -race.
const RaceEnabled = true
