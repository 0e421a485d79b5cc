package props

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// logCounts logs how many operations of each kind the cache has accepted and refused
// so far.
func (b *backend) logCounts() {
	b.t.Helper()
	if c, ok := any(b.judge).(interface{ Counts() map[string][2]int }); ok {
		b.t.Log(countsText(c.Counts()))
	}
}

// countsText says how many operations were accepted and refused, by name. All of a
// kind refused may be a mistake of the cache, or of its options.
func countsText(counts map[string][2]int) string {
	var kinds []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		switch accepted, refused := counts[name][0], counts[name][1]; {
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
