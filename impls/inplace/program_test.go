package inplace

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStmtText(t *testing.T) {
	for _, line := range []string{
		"t = cat(x[1:4], new[0:1])",
		"x[1:4] = clone(x[0:3])",
		"x[0:4] = roll(x[0:4], -1)",
		"x[0:2] = gather(x[0:4], [3, 0])",
		"x[0:4] = index_copy(gather(x[0:4], [1, 2, 3, 0]), [3], new[0:1])",
		"x[[0, 2]] = new[0:2]",
	} {
		s, err := ParseStmt(line)
		require.NoError(t, err, line)
		require.Equal(t, line, s.String())
	}
	for line, want := range map[string]string{
		"":                           "want a name",
		"t":                          `want "="`,
		"t = x":                      "want rows, as in x[0:1]",
		"t = x[0:01]":                "want a number",
		"t = x[0:99999999]":          "want a number",
		"t = roll(x[0:1])":           `want ","`,
		"t = clone(x[0:1]) trailing": "want the end of the line",
	} {
		_, err := ParseStmt(line)
		require.ErrorContains(t, err, want, line)
	}
}

func TestCheckNamesTheStatement(t *testing.T) {
	x := []Buffer{{"x", 4}}
	for want, s := range map[string]Stmt{
		`no buffer or value is called "y"`: Assign("x", 0, 1, View("y", 0, 1)),
		"rows 0:5 of x, which has 4":       Assign("x", 0, 4, View("x", 0, 5)),
		"3 rows assigned to 4":             Assign("x", 0, 4, View("x", 0, 3)),
		"index 1 twice":                    AssignIndex("x", []int{1, 1}, View("x", 0, 2)),
		"index 4 of 4 rows":                Assign("x", 0, 1, Gather(View("x", 0, 4), []int{4})),
		"x is a buffer":                    Define("x", View("x", 0, 1)),
		`name "cat" is not free`:           Define("cat", View("x", 0, 1)),
	} {
		err := Program{x, []Stmt{s}}.Check()
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "statement 1: ")
	}
}

func TestScheduleText(t *testing.T) {
	for _, text := range []string{"ascending", "descending", "native", "random 7", "3 0 1"} {
		s, err := ParseSchedule(text)
		require.NoError(t, err)
		require.Equal(t, text, s.String())
	}
	for _, text := range []string{"", "random", "random x", "1 1", "-1", "01", "up"} {
		_, err := ParseSchedule(text)
		require.Error(t, err, text)
	}
	require.Equal(t, []int32{2, 0, 1, 3}, Schedule{Kind: List, Blocks: []int{2, 9}}.Order(4))
	require.Equal(t, []int32{2, 1, 0}, Schedule{Kind: Descending}.Order(3))
	require.Nil(t, Schedule{}.Order(3))
}

// A random order is part of case files: it must be the same on every machine
// and in every version.
func TestRandomOrderIsFixed(t *testing.T) {
	require.Equal(t, []int32{3, 6, 5, 0, 1, 2, 7, 4}, Schedule{Kind: Random, Seed: 7}.Order(8))
}
