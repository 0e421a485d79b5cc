package window

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var references = regexp.MustCompile(`^([\w.-]+/)?[\w.-]+(#\d+| PR \d+|@[0-9a-f]{7,40})$`)

// Each planted bug has its own name, says where it was seen and what goes wrong, and is
// a known-bad target; each number of the list of real bugs is planted or said why not.
func TestBugs(t *testing.T) {
	all := Bugs()
	require.GreaterOrEqual(t, len(all), 70)
	seen, ids := map[string]bool{}, map[string]bool{}
	for _, b := range all {
		name := b.Target.String()
		require.False(t, seen[name], name)
		seen[name] = true
		require.NoError(t, b.Target.Check(), name)
		require.False(t, b.Target.Sound(), name)
		require.Equal(t, b.Target.Racy(), b.Racy, name)
		require.Contains(t, []string{"single", "chunks", "program"}, b.Contract, name)
		require.NotEmpty(t, b.Mechanism, name)
		require.NotContains(t, b.Mechanism, "\n", name)
		require.NotContains(t, b.Mechanism, "|", "%s: the matrix is a table", name)
		require.NotEmpty(t, b.Base, name)
		for ref := range strings.SplitSeq(b.Reference, ", ") {
			require.Regexp(t, references, ref, name)
		}
		for id := range strings.SplitSeq(b.ID, ", ") {
			ids[id] = true
		}
	}
	for _, u := range UnplantedBugs() {
		require.False(t, ids[u.ID], "%s is planted", u.ID)
		ids[u.ID] = true
		require.Regexp(t, references, u.Reference)
		require.NotEmpty(t, u.Mechanism)
		require.NotEmpty(t, u.Why)
	}
	for _, id := range strings.Fields(realBugs) {
		require.True(t, ids[id], "%s is neither planted nor said why not", id)
		delete(ids, id)
	}
	delete(ids, "")
	require.Empty(t, ids, "numbers that the list of real bugs has not")
}

// realBugs are the numbers of the real bugs that were collected: what reads or writes
// overlapping memory (A), goes round wrongly (B), takes several tokens (C), goes back (D),
// counts, lays out or batches wrongly (E), what an earlier suite of ours missed (F), batch
// entries (G), compilers (H).
const realBugs = `
A1 A2 A3 A4 A5 A6 A7 A8 A9 A11 A12 A13 A15 A16 A17 A19
B1 B2 B3 B4 B5 B7 B9 B10 B13 B14 B15 B16 B18 B20 B21
C1 C3 C6 C8 C10 C12 C13 C15
D1 D2 D4 D6 D7 D8 D9 D17 D19
E1 E7 E8 E10 E11 E14 E18 E19 E20 E21 E23 E24 E28 E31
F1 F2 F3 F4 F5 F6 F7 F8 F9 F10 F11 F12 F13 F14 F15 F16 F17 F18 F19
G1 G2 G3 G4
H1 H2 H3 H4 H5 H6 H7`

// What is planted on sim and in Go is on the list.
func TestBugsAreAll(t *testing.T) {
	listed := map[Target]bool{}
	for _, b := range Bugs() {
		listed[b.Target] = true
	}
	for _, target := range append(TargetsOn("sim"), TargetsOn(Go)...) {
		if target.Sound() || target.Update == "program" {
			continue // random programs are no bug of their own
		}
		u, update := LookupUpdate(target.Update)
		if update && u.Sound() {
			// The fills beside the three updates lower alike.
			target.Update, _, _ = strings.Cut(target.Update, "-assign")
		}
		require.True(t, listed[target], target)
	}
}
