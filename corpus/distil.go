package corpus

import "slices"

// Distil chooses the cases that are worth keeping: from the smallest on, each
// that has a key which no smaller one has. keys says what a case is kept for: its
// failure, or what it exercises. The result are indices of cases, ascending.
func Distil(cases []*Case, keys func(i int) []string) []int {
	order := make([]int, len(cases))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return Compare(cases[a], cases[b]) })
	seen := map[string]bool{}
	var keep []int
	for _, i := range order {
		useful := false
		for _, k := range keys(i) {
			useful = useful || !seen[k]
			seen[k] = true
		}
		if useful {
			keep = append(keep, i)
		}
	}
	slices.Sort(keep)
	return keep
}
