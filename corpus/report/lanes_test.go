package report

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// What a query of an engine saw is drawn by request: what it must not see and what it
// misses are marked, also where a line is shortened.
func TestLanes(t *testing.T) {
	d := &corpus.Divergence{Attended: []corpus.Attended{
		{Token: "token 3 of request b", Got: 2},
		{Token: "token 1, which has left the window", Got: 1},
		{Token: "padding", Got: 1},
	}}
	for range 29 {
		d.Attended = append(d.Attended, corpus.Attended{Token: "token 7 of a", Want: 1, Got: 1})
	}
	d.Attended = append(d.Attended, corpus.Attended{Token: "token 8 of a", Want: 1}, corpus.Attended{Token: "token 9 of a", Want: 1, Got: 1})
	l := Report{Divergence: d}.lanes()
	require.Len(t, l.Lines, 3)
	require.Equal(t, "request b", l.Lines[0].Label)
	require.Equal(t, "3×2", l.Lines[0].Cells[0].Text)
	require.Equal(t, "wrongrow", l.Lines[0].Cells[0].Kind)
	a := l.Lines[1]
	require.Equal(t, "request a", a.Label)
	require.True(t, a.Wrong)
	require.LessOrEqual(t, len(a.Cells), laneCells)
	kinds := map[string]string{}
	for _, c := range a.Cells {
		kinds[c.Text] = c.Kind
	}
	require.Equal(t, map[string]string{"1": "wrongrow", "7": "new", "…": "rest", "8": "empty", "9": "new"}, kinds)
	require.Equal(t, "no token of a request", l.Lines[2].Label)
	require.Equal(t, a.Cells[len(a.Cells)-1].X+laneCellAt, l.Width)
	require.Nil(t, Report{Divergence: &corpus.Divergence{}}.lanes())
}
