package report

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The index lists what was found with links, what was not, and reports that lay there
// before; words of others stay words.
func TestIndex(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, raced(t).WriteDir(filepath.Join(dir, "old-1")))
	require.NoError(t, raced(t).WriteDir(filepath.Join(dir, "new-1")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "none"), 0o755))
	x := Index{Title: "A hunt", Summary: "9 cases", Targets: []IndexTarget{
		{Name: "new", Result: "caught", Cases: 7, Operations: "append 5", Findings: []IndexFinding{{Dir: "new-1", What: "<script>alert(1)</script>"}}},
		{Name: "quiet", Result: "ok", Cases: 2},
		{Name: "one", Result: "ok", Cases: 1},
		{Name: "left", Result: "interrupted"},
	}}
	require.NoError(t, x.WriteDir(dir))
	b, err := os.ReadFile(filepath.Join(dir, "index.html"))
	require.NoError(t, err)
	page := string(b)
	for _, want := range []string{
		`<a href="new-1/report.html">new-1</a>`, "7 cases, 1 finding. append 5.", "✓ quiet: ok, 2 cases.", "✓ one: ok, 1 case.", "<h2>Not run</h2>\n<ul><li>left: interrupted</li>", `<a href="old-1/report.html">old-1</a>`, "&lt;script&gt;",
	} {
		require.Contains(t, page, want)
	}
	for _, not := range []string{"<script", `<a href="none`, "http"} {
		require.NotContains(t, page, not)
	}
	require.Equal(t, 1, strings.Count(page, "new-1/report.html"), "it is not an earlier one")
	require.Error(t, x.WriteDir(filepath.Join(dir, "missing")))
}
