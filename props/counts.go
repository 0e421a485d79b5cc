package props

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/slidefuzz/slidefuzz/props/judge"
)

// logCounts logs how many operations of each kind the cache has accepted and refused
// so far.
func (b *backend) logCounts() {
	b.t.Helper()
	b.t.Log(countsText(b.judge.Counts()))
}

// countsText says how many operations were accepted and refused, by name. All of a
// kind refused may be a mistake of the cache, or of its options.
func countsText(counts map[string]judge.Count) string {
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
