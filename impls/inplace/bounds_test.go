package inplace

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Programs at the very bounds of what has a meaning, and one beyond.
func TestBoundsOfPrograms(t *testing.T) {
	for _, x := range []struct{ in, out, want string }{
		{"x[0:6] = x[0:6]", "x[0:7] = x[0:7]", "rows 0:7 of x, which has 6"},
		{"x[6:6] = y[4:4]", "x[7:7] = y[4:4]", "rows 7:7 of x"},
		{"x[0:0] = y[0:0]", "x[1:0] = y[0:0]", "rows 1:0 of x"},
		{"x[5::-1] = x[0:6]", "x[6::-1] = x[0:6]", "rows 6::-1 of x"},
		{"x[5:3:-1] = y[0:2]", "x[5:3:-1] = y[0:3]", "3 rows assigned to 2"},
		{"x[3:3:-1] = y[0:0]", "x[2:3:-1] = y[0:0]", "rows 2:3:-1 of x"},
		{"x[0:5:2] = y[0:3]", "x[0:5:2] = y[0:2]", "2 rows assigned to 3"},
		{"x[0:6:2] = y[0:3]", "x[0:7:2] = y[0:4]", "rows 0:7:2 of x"},
		{"x[4:0:-2] = y[0:2]", "x[4:0:-2] = y[0:3]", "3 rows assigned to 2"},
		{"x[[0, 5]] = y[0:2]", "x[[0, 6]] = y[0:2]", "index 6 of 6 rows"},
		{"x[[0, 5]] = y[0:2]", "x[[0, 5]] = y[0:3]", "3 rows for 2 indices"},
		{"x[[0, 5]] = y[0:2]", "x[[5, 5]] = y[0:2]", "index 5 twice"},
		{"x[mask 100001] = y[0:2]", "x[mask 10001] = y[0:2]", "a mask of 5 digits for x, which has 6 rows"},
		{"x[mask 100001] = y[0:2]", "x[mask 100001] = y[0:3]", "3 rows for a mask of 2"},
		{"t = gather(y[0:4], [3, 3, 0])", "t = gather(y[0:4], [4])", "index 4 of 4 rows"},
		{"t = index_copy(y[0:4], [3], x[0:1])", "t = index_copy(y[0:4], [3], x[0:2])", "index_copy: 2 rows for 1 indices"},
		{"t = index_copy(y[0:4], [3], x[0:1])", "t = index_copy(y[0:4], [4], x[0:1])", "index 4 of 4 rows"},
		{"t = x[0:2] + y[0:2]", "t = x[0:2] + y[0:3]", "3 rows are added to 2"},
		{"return x[0:1]", "return x[0:0]", "a value of no rows is returned"},
		{"return1 = x[0:1]", "return1 = x[0:1]", "is not free"},
	} {
		if x.in != x.out {
			programOf(t, x.in)
		}
		s, err := ParseStmt(x.out)
		require.NoError(t, err, x.out)
		err = Program{Buffers: []Buffer{{"x", 6}, {"y", 4}}, Stmts: []Stmt{s}}.Check()
		require.ErrorContains(t, err, x.want, x.out)
	}
	for rows, ok := range map[int]bool{0: false, 1: true, impls.MaxExtent: true, impls.MaxExtent + 1: false} {
		require.Equal(t, ok, Program{Buffers: []Buffer{{"x", rows}}}.Check() == nil, rows)
	}
	half := impls.MaxExtent / 2
	for more, ok := range map[int]bool{0: true, 1: false} {
		p := Program{Buffers: []Buffer{{"x", impls.MaxExtent}}, Stmts: []Stmt{Define("t", Expr{Op: OpCat, Args: []Expr{View("x", 0, half), View("x", 0, impls.MaxExtent-half+more)}})}}
		require.Equal(t, ok, p.Check() == nil, "%d rows more", more)
	}
	deep := View("x", 0, 1)
	for range maxDepth {
		deep = Expr{Op: OpClone, Args: []Expr{deep}}
	}
	for more := range 2 {
		p := Program{Buffers: []Buffer{{"x", 1}}, Stmts: []Stmt{Define("t", deep)}}
		require.Equal(t, more == 0, p.Check() == nil)
		deep = Expr{Op: OpClone, Args: []Expr{deep}}
	}
	for step, ok := range map[int]bool{1: false, 2: true, -1: true, impls.MaxExtent: true, impls.MaxExtent + 1: false, -impls.MaxExtent: true, -impls.MaxExtent - 1: false} {
		lo, hi := 0, 1
		if step < 0 {
			lo, hi = 0, -1
		}
		require.Equal(t, ok, checkSlice("x", lo, hi, step, 6) == nil, step)
	}
	for _, op := range []struct {
		op   Op
		args int
		ok   bool
	}{{OpCat, 0, false}, {OpCat, 1, true}, {OpClone, 2, false}, {OpAdd, 1, false}, {OpAdd, 2, true}, {OpIndexCopy, 1, false}, {OpIndexCopy, 3, false}} {
		e := Expr{Op: op.op}
		for range op.args {
			e.Args = append(e.Args, View("x", 0, 1))
		}
		_, err := checkExpr(e, map[string]int{"x": 1}, 0)
		require.Equal(t, op.ok, err == nil, "%+v", op)
	}
}

// The first and last of the letters and digits that a name may have, and what is next to
// them in ASCII.
func TestLettersOfNames(t *testing.T) {
	for _, name := range []string{"A", "Z", "a", "z", "_", "A0", "Z9", "__", "aA", "aZ", "Aa", "Az"} {
		require.NoError(t, Program{Buffers: []Buffer{{name, 1}}}.Check(), name)
	}
	for _, name := range []string{"@", "[", "`", "{", "/", ":", "0", "9", "^", "a@", "a[", "a`", "a{", "a/", "a:", "a^"} {
		require.ErrorContains(t, Program{Buffers: []Buffer{{name, 1}}}.Check(), "want letters, digits and _", name)
	}
}

// What a program returns, by which names, and which grammar it needs.
func TestReturnsOfPrograms(t *testing.T) {
	p := programOf(t, "t = x[1:4]", "return t[0:2]", "x[0:1] = y[0:1]", "return transpose(t[0:3])")
	require.Equal(t, []Returned{{1, 2, Plain}, {3, 3, Transposed}}, p.Returns())
	for i, want := range []string{"t", "return1", "x", "return2"} {
		require.Equal(t, want, p.Target(i))
	}
	for line, grammar := range map[string]int{
		"x[0:1] = clone(y[0:1])": 1, "x[[0]] = roll(y[0:1], 1)": 1, "t = cat(x[0:1], gather(y[0:2], [1]))": 1,
		"x[0:4:2] = y[0:2]": 2, "x[0:2] = y[0:4:2]": 2, "x[0:1] = clone(flip(y[0:1]))": 2, "x[0:1] += y[0:1]": 2,
		"x[0:1] = clone(y[0:1] + y[1:2])": 2, "x[mask 100000] = y[0:1]": 2, "return x[0:1]": 2,
	} {
		p := programOf(t, line)
		require.Equal(t, grammar, p.Grammar(), line)
		require.Equal(t, line == "x[0:1] += y[0:1]" || line == "x[0:1] = clone(y[0:1] + y[1:2])", p.Adds(), line)
	}
}

// Maps at the bounds of what is read, and one beyond, with the line at fault.
func TestBoundsOfMaps(t *testing.T) {
	const head = "slidefuzz kernel v1\n\n# a comment\nstorage x 64\n"
	for _, x := range []struct{ in, out, want string }{
		{"block 64\nx[0:64] = x[0:64]", "block 64\nx[0:65] = x[0:65]", "map:6: x has 64 elements, and 65 are touched"},
		{"block 1\nx[63:64] = x[0:1]", "block 1\nx[63:63] = x[0:0]", `map:6: "63": want a number from 64 to`},
		{"block 1\nx[0:1] = x[1:2]", "block 0\nx[0:1] = x[1:2]", `map:5: "0": want a number from 1 to`},
		{fmt.Sprintf("block %d\nx[0:1] = x[1:2]", maxMapElements), fmt.Sprintf("block %d\nx[0:1] = x[1:2]", maxMapElements+1), "map:5: "},
		{fmt.Sprintf("storage y %d\nblock 1\nx[0:1] = x[1:2]", maxMapElements-64), fmt.Sprintf("storage y %d\nblock 1\nx[0:1] = x[1:2]", maxMapElements-63), "map:5: "},
		{"block 1\nrepeat 8 x 8\nx[0:8] = x[0:8]", "block 1\nrepeat 8 x 9\nx[0:8] = x[0:8]", "map: x has 64 elements, and 71 are touched"},
		{"block 1\nrepeat 2 x 0\nx[0:8] = x[8:16]\nrepeat 1\nx[9:10] = x[0:1]", "block 1\nrepeat 0 x 0\nx[0:8] = x[8:16]", `map:6: "0": want a number from 1 to`},
		{"block 1\nrepeat 1\nx[0:8] = x[8:16]", "block 1\nrepeat\nx[0:8] = x[8:16]", "map:6: repeat: want a number of times"},
		{"storage y 128\nblock 1\nx[63:64] = y[0:1]", "storage y 128\nblock 1\nx[63:65] = y[0:2]", "map:7: x has 64 elements, and 65 are touched"},
		{"storage y 128\nblock 1\ny[0:1] = x[63:64]", "storage y 128\nblock 1\ny[0:2] = x[63:65]", "map:7: x has 64 elements, and 65 are touched"},
		{"block 1\nx[0:1] = x[1:2]", "x[0:1] = x[1:2]", "map: want a line block"},
		{"block 1\n  x[0:1]=x[ 1 : 2 ]  # spaces", "block 1\nx[0:1] = x[1:2] x", "map:6: "},
	} {
		_, err := ParseMap("map", head+x.in)
		require.NoError(t, err, x.in)
		_, err = ParseMap("map", head+x.out)
		require.ErrorContains(t, err, x.want, x.out)
	}
	// The lines after a repeat go on where it ended; each time is as far on as it says.
	m, err := ParseMap("map", head+"storage n 16\nblock 4\nx[0:2] = n[0:2]\nrepeat 3 x 8 n 2\nx[8:10] = n[2:4]\nx[10:11] = x[20:21]\nrepeat 1\nx[0:1] = x[1:2]")
	require.NoError(t, err)
	require.Equal(t, []Copy{
		{Cell: 0, Dst: 0, To: 0, Src: 1, From: 0, N: 2},
		{Cell: 2, Dst: 0, To: 8, Src: 1, From: 2, N: 2},
		{Cell: 4, Dst: 0, To: 10, Src: 0, From: 20, N: 1},
		{Cell: 5, Dst: 0, To: 16, Src: 1, From: 4, N: 2},
		{Cell: 7, Dst: 0, To: 18, Src: 0, From: 28, N: 1},
		{Cell: 8, Dst: 0, To: 24, Src: 1, From: 6, N: 2},
		{Cell: 10, Dst: 0, To: 26, Src: 0, From: 36, N: 1},
		{Cell: 11, Dst: 0, To: 0, Src: 0, From: 1, N: 1},
	}, m.Kernel.Copies)
}

// A cell that two blocks write is named, in the second block and away from its begin.
func TestTwiceWrittenCells(t *testing.T) {
	// Blocks of four cells: the second writes cells 9 to 11, the third 11 and 12.
	k := NewKernel(0, 4, []Copy{
		{Cell: 0, Dst: 0, To: 0, Src: 1, From: 0, N: 5},
		{Cell: 5, Dst: 0, To: 9, Src: 1, From: 5, N: 3},
		{Cell: 8, Dst: 0, To: 20, Src: 1, From: 8, N: 2},
		{Cell: 10, Dst: 0, To: 11, Src: 1, From: 10, N: 2},
	})
	var all []Hazard
	k.Hazards(func(h Hazard) bool {
		all = append(all, h)
		return true
	})
	require.Equal(t, []Hazard{{WAW, 0, 11, 1, 2, 10}}, all)
	// The same where a stretch goes on in the next block.
	k = NewKernel(0, 2, []Copy{{Cell: 0, Dst: 0, To: 4, Src: 1, From: 0, N: 4}, {Cell: 4, Dst: 0, To: 3, Src: 1, From: 4, N: 4}})
	all = nil
	k.Hazards(func(h Hazard) bool {
		all = append(all, h)
		return true
	})
	require.Equal(t, []Hazard{{WAW, 0, 4, 0, 2, 5}, {WAW, 0, 5, 0, 3, 6}, {WAW, 0, 6, 1, 3, 7}}, all)
	k.Hazards(func(h Hazard) bool {
		require.Equal(t, 4, h.Offset)
		return false
	})
}
