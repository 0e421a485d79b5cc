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
		"t = x[6:0:-2]",
		"x[3::-1] = flip(x[0:7:2])",
		"x[mask 1011] = x[0:3]",
		"x[1:4] = x[0:3] + (x[1:4] + new[0:3]) + clone(x[0:3] + x[1:4])",
		"x[1:4] += x[0:3]",
		"return x[0:2]",
		"return reshape(flip(x[0:2]))",
		"return transpose(x[0:2] + x[1:3])",
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
		"t = x[0:4:1]":               "want another step",
		"t = x[4:-1:-1]":             "want a row",
		"t = x[0::2]":                "want a negative step",
		"t = (x[0:1])":               "want a sum in parentheses",
		"t = (x[0:1] + x[0:1])":      `want "+"`,
		"t += x[0:1]":                `want "="`,
		"x[mask ] = x[0:1]":          "want a digit",
		"return":                     "want a name",
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

// What a program needs of the wider grammar, what it returns, and what has no meaning.
func TestWiderGrammar(t *testing.T) {
	parse := func(lines ...string) Program {
		p := Program{Buffers: []Buffer{{"x", 4}, {"y", 3}}}
		for _, line := range lines {
			s, err := ParseStmt(line)
			require.NoError(t, err, line)
			p.Stmts = append(p.Stmts, s)
		}
		return p
	}
	for line, grammar := range map[string]int{
		"x[0:3] = y[0:3]": 1, "x[[0, 2]] = x[1:3]": 1, "t = x[3::-1]": 2, "x[0:4:2] = x[0:2]": 2, "x[mask 0101] = y[0:2]": 2,
		"t = clone(flip(x[0:2]))": 2, "y[0:3] = y[0:3] + x[1:4]": 2, "y[0:3] += x[1:4]": 2, "return y[0:1]": 2,
	} {
		p := parse(line)
		require.NoError(t, p.Check(), line)
		require.Equal(t, grammar, p.Grammar(), line)
	}
	p := parse("return x[0:2]", "t = y[0:3]", "return transpose(t[1:3])")
	require.NoError(t, p.Check())
	require.Equal(t, []Returned{{0, 2, Plain}, {2, 2, Transposed}}, p.Returns())
	require.Equal(t, []string{"return1", "t", "return2"}, []string{p.Target(0), p.Target(1), p.Target(2)})
	require.Equal(t, []int{3, 1}, parse("t = x[3:0:-2]").Stmts[0].Src.Rows())
	require.Equal(t, []int{3, 2, 1, 0}, parse("t = x[3::-1]").Stmts[0].Src.Rows())
	require.Equal(t, []int{1, 3}, parse("x[mask 0101] = y[0:2]").Stmts[0].Rows())

	for line, want := range map[string]string{
		"t = x[4:0:-1]":            "rows 4:0:-1 of x, which has 4",
		"x[mask 011] = y[0:2]":     "a mask of 3 digits for x, which has 4 rows",
		"x[mask 0111] = y[0:2]":    "2 rows for a mask of 3",
		"x[0:4:2] = y[0:3]":        "3 rows assigned to 2",
		"x[0:2] = y[0:2] + y[0:3]": "3 rows are added to 2",
		"return x[1:1]":            "no rows",
		"return1 = x[0:1]":         "is not free",
	} {
		require.ErrorContains(t, parse(line).Check(), want, line)
	}
	eight := []string{"x[0:1] += x[0:1]", "t = x[0:1]", "t[0:1] += x[0:1]", "x[0:1] += t[0:1]"}
	require.NoError(t, parse(eight...).Check())
	require.ErrorContains(t, parse(append(eight, "return x[0:1] + y[0:1]")...).Check(), "statement 5: a cell of 9 summands")
}
