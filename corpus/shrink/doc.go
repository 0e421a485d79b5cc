// Package shrink makes a failing case small. It is handed a predicate and knows
// no target.
package shrink
