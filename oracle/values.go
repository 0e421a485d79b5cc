package oracle

import "slices"

// Label names one row of one buffer as it was before a program ran. Programs
// run on labels here: every operation makes a fresh list, and an assignment
// reads its source whole before it writes.
type Label struct{ Buffer, Row int }

// Sum is what a row holds: one row of the start, or the sum of several.
type Sum []Label

// Cat is the parts one after the other.
func Cat[T any](parts ...[]T) []T { return slices.Concat(parts...) }

// Roll moves row i to row i+k, modulo the rows, as torch.roll does.
func Roll[T any](a []T, k int) []T {
	n := len(a)
	out := make([]T, n)
	for i := range a {
		out[((i+k)%n+n)%n] = a[i]
	}
	return out
}

// Gather is rows index[0], index[1], … of a.
func Gather[T any](a []T, index []int) []T {
	out := make([]T, len(index))
	for i, row := range index {
		out[i] = a[row]
	}
	return out
}

// Clone is a copy.
func Clone[T any](a []T) []T { return slices.Clone(a) }

// Flip is the rows of a, the last one first.
func Flip[T any](a []T) []T {
	out := slices.Clone(a)
	slices.Reverse(out)
	return out
}

// Add is the parts added up, row by row.
func Add(parts ...[]Sum) []Sum {
	out := make([]Sum, len(parts[0]))
	for _, p := range parts {
		for i := range out {
			out[i] = slices.Concat(out[i], p[i])
		}
	}
	return out
}

// IndexCopy is a with row index[i] replaced by row i of src; the last of
// equal indices wins.
func IndexCopy[T any](a []T, index []int, src []T) []T {
	out := slices.Clone(a)
	for i, row := range index {
		out[row] = src[i]
	}
	return out
}
