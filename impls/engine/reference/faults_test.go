package reference

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
)

var references = regexp.MustCompile(`^[\w.-]+/[\w.-]+#\d+(, [\w.-]+/[\w.-]+#\d+)*$`)

// Each fault has a name and a mechanism, and changes logits: on a model whose layers
// alternate, with random weights, under random operations.
func TestFaultsShow(t *testing.T) {
	dir := tiny{"gemma3_text", 4, impls.F32}.write(t)
	judge := loaded(t, dir, Options{})
	seen := map[string]bool{}
	require.GreaterOrEqual(t, len(Faults()), 20)
	for _, f := range Faults() {
		require.Regexp(t, `^[a-z0-9-]+$`, f.Name)
		require.False(t, seen[f.Name], f.Name)
		seen[f.Name] = true
		require.NotEmpty(t, f.Mechanism, f.Name)
		require.NotContains(t, f.Mechanism, "|", "the table of the faults")
		if f.Reference != "" {
			require.Regexp(t, references, f.Reference, f.Name)
		}
		// That of one mask shows in other tokens than a chunk's last, which walk looks
		// at; that on threads, as it pleases.
		if f.Name == "early-queries-see-ahead" || f.Racy {
			continue
		}
		worst := 0.0
		for seed := uint64(0); seed < 4 && worst <= 1e-2; seed++ {
			worst = max(worst, walk(t, loaded(t, dir, Options{Fault: f.Name}), judge, seed, 60))
		}
		require.Greater(t, worst, 1e-2, f.Name)
	}
}

// The mask that is cut to the window shows in the early tokens of a chunk alone.
func TestEarlyQueriesSeeAhead(t *testing.T) {
	dir := tiny{"mistral", 4, impls.F32}.write(t)
	tokens := []int{1, 2, 3, 4, 5, 6, 7}
	got := inChunks(t, loaded(t, dir, Options{Fault: "early-queries-see-ahead"}), "a", tokens, 0, len(tokens))
	want := inChunks(t, loaded(t, dir, Options{}), "a", tokens, 0, len(tokens))
	require.Greater(t, difference(got[0], want[0]), 1e-2)
	want = inChunks(t, loaded(t, dir, Options{Fault: "early-queries-see-ahead"}), "a", tokens, 0, 4)
	require.Less(t, difference(want[3], inChunks(t, loaded(t, dir, Options{}), "a", tokens, 0, 1)[3]), 1e-5, "a chunk of the window is none that is cut")
}
