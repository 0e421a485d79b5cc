package corpus

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// Any bytes after ProgramPrefix are a case that reads as it prints, and together they
// have all that the wider grammar has.
func TestDecodeWideProgram(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 2))
	adds, returns, wide := 0, 0, 0
	for range 2000 {
		in := []byte(ProgramPrefix)
		for range r.IntN(MaxDraw) {
			in = append(in, byte(r.Uint32()))
		}
		c := DecodeProgram(in)
		require.NoError(t, c.Check(DefaultLimit), "%s", c.Text())
		again, err := Parse("wide", c.Text(), 0)
		require.NoError(t, err, "%s", c.Text())
		require.Equal(t, string(c.Text()), string(again.Text()))
		if c.Program.Adds() {
			adds++
		}
		if len(c.Program.Returns()) > 0 {
			returns++
		}
		wide += c.Program.Grammar() - 1
	}
	require.Greater(t, adds, 200)
	require.Greater(t, returns, 200)
	require.Greater(t, wide, 1000)
}

// A slice with a step has as many rows as it was asked for, all of them there.
func TestStepped(t *testing.T) {
	r, steps := rand.New(rand.NewPCG(1, 2)), map[int]bool{}
	for rows := 1; rows <= 9; rows++ {
		for n := 1; n <= rows; n++ {
			for range 50 {
				e := inplace.View("x", 0, 0)
				e.Lo, e.Hi, e.Step = stepped(n, rows, r.IntN)
				at := e.Rows()
				require.Len(t, at, n, "%+v of %d rows", e, rows)
				require.GreaterOrEqual(t, slices.Min(at), 0)
				require.Less(t, slices.Max(at), rows)
				steps[e.Step] = true
			}
		}
	}
	require.Len(t, steps, 5)
}
