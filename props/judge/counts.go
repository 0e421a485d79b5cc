package judge

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Count is how often an operation was asked of caches that can do it, and what they
// said.
type Count struct {
	Accepted, Refused int
	// Among is, of programs, how many were wrong only among others.
	Among int `json:",omitempty"`
}

// CountsText says how many operations were accepted and refused, by name. All of one
// refused may be a mistake of the cache, or of the limits that it declares.
func CountsText(counts map[string]Count) string {
	var kinds []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		switch accepted, refused := counts[name].Accepted, counts[name].Refused; {
		case refused == 0:
			kinds = append(kinds, fmt.Sprintf("%s %d", name, accepted))
		case accepted == 0:
			kinds = append(kinds, fmt.Sprintf("%s 0 (all %d refused)", name, refused))
		default:
			kinds = append(kinds, fmt.Sprintf("%s %d (%d refused)", name, accepted, refused))
		}
	}
	return "operations accepted: " + strings.Join(kinds, ", ")
}
