package engine

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The joined table says what was claimed, tells a canary that is right, and fails where an
// update was wrong or attentions decode other tokens.
func TestWriteIssue(t *testing.T) {
	row := func(variant string, wrong int, decoded string) IssueRow {
		return IssueRow{Arch: "gemma3", DType: "F16", Window: 64, Variant: variant, Runs: 10, Wrong: wrong, Logits: 1 + wrong, Decoded: []string{decoded}, Steps: 210, Worst: 0.01}
	}
	table := func(name, decoded string, wrong, canary int) *IssueTable {
		return &IssueTable{Attention: name, Version: "transformers 0, torch 0", Device: "cpu", Rows: []IssueRow{
			row(issueSound, 0, decoded), row("cat compiled", wrong, decoded), row(issueCanary, canary, decoded),
		}}
	}
	write := func(tables ...*IssueTable) (string, bool) {
		var text strings.Builder
		ok, err := WriteIssue(&text, tables)
		require.NoError(t, err)
		return text.String(), ok
	}
	text, ok := write(table("eager", "1,2", 0, 10), table("sdpa", "1,2", 0, 0))
	require.True(t, ok)
	require.Contains(t, text, "| gemma3 F16, W=64 | cat compiled | right 10/10, 1 | right 10/10, 1 |\n")
	require.Contains(t, text, "sdpa, gemma3 F16: canary right in 10 runs: this torch has it mended")
	require.Contains(t, text, "eager, gemma3 F16: canary wrong in 10 of 10 runs, as it must be")
	require.Contains(t, text, "counts are judged; those of the sound eager runs are at most 0.01")
	require.Contains(t, text, "all attentions decode the same 2 tokens")

	text, ok = write(table("eager", "1,2", 3, 10))
	require.False(t, ok)
	require.Contains(t, text, "**wrong 3/10**, 4")
	text, ok = write(table("eager", "1,2", 0, 10), table("sdpa", "1,3", 0, 10))
	require.False(t, ok)
	require.Contains(t, text, "decode 2 different lists")

	vague := table("eager", "1,2", 0, 10)
	vague.Rows[0].Undecided = 5
	text, ok = write(vague)
	require.True(t, ok)
	require.Contains(t, text, "equality of runs and of attentions is claimed, nothing else")

	// What the test did not come to is missing; a checkpoint that an attention does not
	// take, and a canary, are not.
	cut := table("sdpa", "1,2", 0, 10)
	cut.Rows = cut.Rows[:1]
	text, ok = write(table("eager", "1,2", 0, 10), cut)
	require.False(t, ok)
	require.Contains(t, text, "**sdpa, gemma3 F16, window 64, cat compiled: missing")
	require.NotContains(t, text, "canary: missing")
	text, ok = write(table("eager", "1,2", 0, 10), &IssueTable{Attention: "sdpa"})
	require.False(t, ok)
	require.Contains(t, text, "**sdpa, all rows: missing")
	more := table("eager", "1,2", 0, 10)
	more.Rows = append(more.Rows, IssueRow{Arch: "gemma2", DType: "F32", Window: 64, Variant: issueSound, Runs: 10, Logits: 1})
	text, ok = write(more, table("flash", "1,2", 0, 10))
	require.True(t, ok)
	require.Contains(t, text, "| gemma2 F32, W=64 | roll eager | right 10/10, 1 | – |\n")
}
