package inplace

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

const shiftMap = `slidefuzz kernel v1
storage x 64    # 4 rows of 16
storage new 16
block 16
x[0:48] = x[16:64]
x[48:64] = new[0:16]
`

// The shift of a window as the map of a kernel: each block overwrites what the one
// before it reads.
func TestParseMap(t *testing.T) {
	m, err := ParseMap("shift", shiftMap)
	require.NoError(t, err)
	require.Equal(t, []string{"x", "new"}, m.Names)
	require.Equal(t, 64, m.Kernel.Cells())
	all := m.Kernel.Collisions()
	require.Len(t, all, 3)
	for i, c := range all {
		require.Equal(t, Collision{Hazard{WAR, 0, 16 * (i + 1), i + 1, i, 16 * i}, 16}, c)
		require.Equal(t, i+1, c.Witness())
	}

	// Two lanes by a repeat: the same in each.
	twice, err := ParseMap("shift", "slidefuzz kernel v1\nstorage x 128\nstorage new 32\nblock 16\nrepeat 2 x 64 new 16\nx[0:48] = x[16:64]\nx[48:64] = new[0:16]\n")
	require.NoError(t, err)
	require.Equal(t, 128, twice.Kernel.Cells())
	require.Len(t, twice.Kernel.Collisions(), 6)

	// One block does it all: nothing collides.
	one, err := ParseMap("shift", "slidefuzz kernel v1\nstorage x 64\nblock 48\nx[0:48] = x[16:64]\n")
	require.NoError(t, err)
	require.Empty(t, one.Kernel.Collisions())
}

func TestParseMapErrors(t *testing.T) {
	head := "slidefuzz kernel v1\nstorage x 64\nblock 16\n"
	for text, want := range map[string]string{
		"":                                      `map: the first line must be "slidefuzz kernel v1"`,
		"storage x 4":                           `map:1: the first line must be`,
		head:                                    "map: want a line block and at least one assignment",
		head + "x[0:48] = y[0:48]":              `map:4: there is no storage "y"`,
		head + "x[0:48] = x[0:47]":              "map:4: 48 elements are written and 47 read",
		head + "x[0:48] = x[17:65]":             "map:4: x has 64 elements, and 65 are touched",
		head + "x[0:0] = x[0:0]":                `map:4: "0": want a number from 1 to`,
		head + "x[0:1] += x[1:2]":               "map:4: ",
		head + "block 8":                        "map:4: block: want one line",
		head + "storage x 4":                    "map:4: storage \"x\": the name is taken",
		head + "repeat 2 x":                     "map:4: repeat: want a number of times",
		head + "repeat 2 z 4":                   `map:4: there is no storage "z"`,
		head + "repeat 9 x 8\nx[0:8] = x[8:16]": "map: x has 64 elements, and 72 are touched",
		head + "repeat 1048576\nx[0:1] = x[1:2]\nx[1:2] = x[2:3]": fmt.Sprintf("map: more than %d stretches", maxMapCopies),
	} {
		_, err := ParseMap("map", text)
		require.ErrorContains(t, err, want, text)
	}
}

func FuzzParseMap(f *testing.F) {
	f.Add(shiftMap)
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseMap("map", text)
		if err == nil && m.Kernel.Cells() < 1<<16 {
			for _, c := range m.Kernel.Collisions() {
				if c.Cells < 1 || c.Writer == c.Other {
					t.Errorf("%+v", c)
				}
			}
		}
	})
}
