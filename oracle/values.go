package oracle

import "slices"

// Label names one row of one buffer as it was before a program ran. Programs
// run on labels here: every operation makes a fresh list, and an assignment
// reads its source whole before it writes.
type Label struct{ Buffer, Row int }

// Cat is the parts one after the other.
func Cat(parts ...[]Label) []Label { return slices.Concat(parts...) }

// Roll moves row i to row i+k, modulo the rows, as torch.roll does.
func Roll(a []Label, k int) []Label {
	n := len(a)
	out := make([]Label, n)
	for i := range a {
		out[((i+k)%n+n)%n] = a[i]
	}
	return out
}

// Gather is rows index[0], index[1], … of a.
func Gather(a []Label, index []int) []Label {
	out := make([]Label, len(index))
	for i, row := range index {
		out[i] = a[row]
	}
	return out
}

// Clone is a copy.
func Clone(a []Label) []Label { return slices.Clone(a) }

// IndexCopy is a with row index[i] replaced by row i of src; the last of
// equal indices wins.
func IndexCopy(a []Label, index []int, src []Label) []Label {
	out := slices.Clone(a)
	AssignIndex(out, index, src)
	return out
}

// Assign copies src over dst, which may share memory.
func Assign(dst, src []Label) {
	copy(dst, slices.Clone(src))
}

// AssignIndex copies row i of src over row index[i] of dst, which may share
// memory.
func AssignIndex(dst []Label, index []int, src []Label) {
	old := slices.Clone(src)
	for i, row := range index {
		dst[row] = old[i]
	}
}
