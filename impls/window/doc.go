// Package window has the built-in caches: the updates of pytorch#159855 as
// programs, the faults of real caches that are planted in some, and the [Target]s
// that these make with each lowering and device.
package window
