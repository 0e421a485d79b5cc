package shrink

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// A write by index through a name is one to what the name stands for.
func TestShrinkInlinesIndexWrites(t *testing.T) {
	c, err := corpus.Parse("test", []byte("slidefuzz case v1\nshape batch=1 heads=1 window=1 dim=1 dtype=F16 layout=heads-first\n"+
		"target program/fused/sim\nblock 1\nschedule ascending\nbuffer x 5\nu = x[2:5]\nu[[1, 2]] = x[2:4]\n"), 0)
	require.NoError(t, err)
	small, _ := Case(t.Context(), c, func(c *corpus.Case) bool {
		return slices.ContainsFunc(c.Program.Stmts, func(st inplace.Stmt) bool {
			return len(st.Index) == 2 && st.Index[1] == st.Index[0]+1
		})
	})
	require.Contains(t, string(small.Text()), "buffer x 2\nx[[0, 1]] = x[0:2]\n")
}

// A name gives way to what it names whatever slices and masks say of either: what is
// left writes and reads the same rows.
func TestShrinkInlinesSteps(t *testing.T) {
	for _, x := range []struct{ name, program, want string }{
		{"read", "u = x[6:0:-2]\nx[0:2] = clone(u[1:3])", "x[0:2] = clone(x[4:1:-2])\n"},
		{"read with a step", "u = x[1:7:2]\nx[0:2] = clone(u[2::-2])", "x[0:2] = clone(x[5:0:-4])\n"},
		{"one row", "u = x[1:7:2]\nx[0:1] = clone(u[1:2])", "x[0:1] = clone(x[3:4])\n"},
		{"written", "u = x[1:7:2]\nu[1:3] = clone(x[0:2])", "x[3:6:2] = clone(x[0:2])\n"},
		{"added", "u = x[6:0:-2]\nu[0:3] += clone(x[0:3])", "x[6:1:-2] += clone(x[0:3])\n"},
		{"written with a step", "u = x[6:0:-2]\nu[2::-1] = clone(x[0:3])", "x[2:7:2] = clone(x[0:3])\n"},
		{"an index", "u = x[6:0:-2]\nu[[2, 0]] = clone(x[0:2])", "x[[2, 6]] = clone(x[0:2])\n"},
		{"a mask", "u = x[1:4]\nu[mask 101] = clone(x[0:2])", "x[mask 0101000] = clone(x[0:2])\n"},
		{"a mask of steps", "u = x[0:7:3]\nu[mask 011] = clone(x[0:2])", "x[mask 0001001] = clone(x[0:2])\n"},
		{"a mask from the end", "u = x[6:0:-2]\nu[mask 101] = clone(x[0:2])", "x[[6, 2]] = clone(x[0:2])\n"},
		{"a mask of a value", "t = clone(x[0:4])\nu = t[1:4]\nu[mask 101] = clone(x[0:2])", "t = clone(x[0:4])\nt[[1, 3]] = clone(x[0:2])\n"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := wideProgram(t, "buffer x 7\n"+x.program+"\n")
			s := &shrinker{best: c, fails: func(*corpus.Case) bool { return true }}
			s.inlineStmts(t.Context())
			require.True(t, strings.HasSuffix(string(s.best.Text()), "buffer x 7\n"+x.want), "%s", s.best.Text())
		})
	}
}

// What is wrong with a value that the program makes is wrong with a buffer too, which needs
// no statement: unless it is not.
func TestShrinkMakesBuffers(t *testing.T) {
	c := wideProgram(t, "buffer x 3\nbuffer y 2\nu = gather(cat(x[0:3], y[0:2]), [4, 0, 1])\nu[[1, 2]] = u[0:2]\nx[0:3] = u[0:3]\n")
	writes := func(c *corpus.Case) bool {
		return slices.ContainsFunc(c.Program.Stmts, func(st inplace.Stmt) bool {
			return st.Dst == "u" && len(st.Index) == 2 && st.Index[1] == st.Index[0]+1 && st.Src.Op == inplace.OpView && st.Src.Name == "u"
		})
	}
	small, stats := Case(t.Context(), c, writes)
	require.False(t, stats.Bounded)
	require.True(t, strings.HasSuffix(string(small.Text()), "ascending\nbuffer u 2\nu[[0, 1]] = u[0:2]\n"), "%s", small.Text())

	small, _ = Case(t.Context(), c, func(c *corpus.Case) bool { return writes(c) && c.Program.Stmts[0].Define })
	require.Len(t, small.Program.Stmts, 2, "%s", small.Text())
	require.True(t, small.Program.Stmts[0].Define)
}

// A buffer in the place of a definition has its rows, and another name where that name is
// another value's too.
func TestShrinkBuffersOfNames(t *testing.T) {
	for _, x := range []struct{ name, program, want string }{
		{"one", "t = cat(x[0:3], x[1:3])\nt[[4, 0]] = roll(t[1:3], 1)\nx[0:2] = t[0:2]", "buffer t 5\nt[[4, 0]] = roll(t[1:3], 1)\nx[0:2] = t[0:2]"},
		{"one of one", "t = roll(x[0:3], 1)\nu = cat(t[0:2], t[2:3])\nu[0:2] = u[1:3]", "buffer t 3\nbuffer u 3\nu[0:2] = u[1:3]"},
		{"a view", "t = x[0:2]\nt[0:1] = t[1:2]", "buffer t 2\nt[0:1] = t[1:2]"},
		{"two of a name", "t = roll(x[0:3], 1)\nt[0:2] = t[1:3]\nt = cat(t[0:2], t[0:2])\nx[0:2] = t[2:4]", "buffer t2 3\nbuffer t 4\nt2[0:2] = t2[1:3]\nx[0:2] = t[2:4]"},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := &shrinker{best: wideProgram(t, "buffer x 3\n"+x.program+"\n"), fails: func(*corpus.Case) bool { return true }}
			s.bufferStmts(t.Context())
			require.True(t, strings.HasSuffix(string(s.best.Text()), "buffer x 3\n"+x.want+"\n"), "%s", s.best.Text())
		})
	}
}

// Rows that nothing needs go, from either end, with what steps and masks say of them.
func TestShrinkMovesSteps(t *testing.T) {
	for _, x := range []struct{ name, program, want string }{
		{"steps", "buffer x 11\nx[10:3:-3] = clone(x[5:10:2])", "buffer x 4\nx[3::-3] = clone(x[0:3:2])"},
		{"a mask", "buffer x 8\nx[mask 00010100] = clone(x[5:3:-1])", "buffer x 3\nx[mask 101] = clone(x[1::-1])"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := wideProgram(t, x.program+"\n")
			small, _ := Case(t.Context(), c, func(c *corpus.Case) bool {
				if len(c.Program.Stmts) != 1 {
					return false
				}
				st := c.Program.Stmts[0]
				return st.Step == -3 && st.Src.Op == inplace.OpClone && st.Src.Args[0].Step == 2 ||
					len(st.Mask) > 2 && len(st.Rows()) == 2 && st.Rows()[1] == st.Rows()[0]+2 && st.Src.Op == inplace.OpClone && st.Src.Args[0].Step == -1
			})
			t.Logf("%s", small.Text())
			require.True(t, strings.HasSuffix(string(small.Text()), x.want+"\n"), "%s", small.Text())
		})
	}
}

// The rows that a simpler statement leaves out or lowers are those of its slices and masks.
func TestSimplerStatements(t *testing.T) {
	for program, want := range map[string][]string{
		"x[6:0:-2] = clone(x[1:6:2])":       {"x[5:0:-2] = clone(x[1:6:2])", "x[4:1:-2] = clone(x[3:6:2])", "x[6:3:-2] = clone(x[1:4:2])", "x[6:0:-2] = clone(x[0:5:2])"},
		"x[mask 0110100] = roll(x[0:3], 1)": {"x[mask 1101000] = roll(x[0:3], 1)", "x[mask 0010100] = roll(x[1:3], 1)", "x[mask 0110000] = roll(x[0:2], 1)"},
	} {
		c := wideProgram(t, "buffer x 7\n"+program+"\n")
		var got []string
		for _, st := range simplerStmts(c.Program.Stmts[0]) {
			d := c.Clone()
			d.Program.Stmts[0] = st
			text := strings.TrimSpace(string(d.Text()))
			got = append(got, text[strings.LastIndex(text, "\n")+1:])
		}
		require.Subset(t, got, want)
	}
}

// wideProgram is a case of a program whose cells add exactly.
func wideProgram(t *testing.T, program string) *corpus.Case {
	c, err := corpus.Parse("test", []byte("slidefuzz case v1\nshape batch=1 heads=1 window=1 dim=1 dtype=F32 layout=heads-first\n"+
		"target program/fused/sim\nblock 1\nschedule ascending\n"+program), 0)
	require.NoError(t, err)
	return c
}
