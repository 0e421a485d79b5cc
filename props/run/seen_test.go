package run

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// seenText is what was seen in a few lines: ✗ before a wrong row.
func seenText(s *corpus.Seen) string {
	var b strings.Builder
	for _, l := range s.Drawn {
		fmt.Fprintf(&b, "lane %d, %d wrong\n", l.Lane, l.Wrong)
		for _, r := range l.Rows {
			mark := ""
			if r.Wrong {
				mark = "✗ "
			}
			fmt.Fprintf(&b, "%s%d at %d: %s|%s\n", mark, r.Row, r.Position, r.Want, r.Got)
		}
	}
	return b.String()
}

// A divergence says what the rows around the fault hold and should hold, and what
// the cache said to the operations before: what a picture needs.
func TestSeen(t *testing.T) {
	for name, x := range map[string]struct{ text, want, said string }{
		"a race": {
			"shape batch=1 heads=2 window=3 dim=1 dtype=U8 layout=heads-first\ntarget roll/drop-war/sim\nblock 1\nschedule descending\nappend 5 heads=1\nappend 3\nappend 1\n",
			"lane 0, 2 wrong\n✗ 0 at 1: token 6|token 8\n✗ 1 at 2: token 7|token 8\n2 at 3: token 8|\nlane 1, 2 wrong\n✗ 0 at 1: token 6|token 8\n✗ 1 at 2: token 7|token 8\n2 at 3: token 8|\n", "[2 1 1]",
		},
		"positions": {
			"shape batch=1 heads=1 window=3 dim=1 dtype=U8 layout=heads-first\ntarget go/ring-wraps-early\nblock 1\nschedule ascending\nappend 3\nappend 1\n",
			"lane 0, 2 wrong\n✗ 0 at 3: token 3|token 0\n✗ 1 at 1: token 1|token 3\n2 at 2: token 2|\n", "[1 1]",
		},
		"a mask": {
			"shape batch=1 heads=1 window=2 dim=1 dtype=U8 layout=heads-first\ntarget go/cells-one-mask\nblock 1\nschedule ascending\nappend 2\n",
			"lane 0, 0 wrong\n0 at 0: token 0|\n✗ 1 at 1: token 1|attended to\n", "[1]",
		},
		"a program": {
			"shape batch=1 heads=1 window=2 dim=1 dtype=U8 layout=heads-first\ntarget program/drop-clone/sim\nblock 1\nschedule descending\nbuffer x 4\nx[0:3] = clone(x[1:4])\n",
			"lane 0, 2 wrong\n✗ 0 at -1: what row 1 of x held|what row 3 of x held\n✗ 1 at -1: what row 2 of x held|what row 3 of x held\n2 at -1: what row 3 of x held|\n3 at -1: what row 3 of x held|\n", "[]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := corpus.Parse("case", []byte("slidefuzz case v1\n"+x.text), 0)
			require.NoError(t, err)
			d, err := Local().One(t.Context(), c)
			require.NoError(t, err)
			require.NotNil(t, d)
			require.Equal(t, x.want, seenText(d.Seen))
			require.Equal(t, x.said, fmt.Sprint(d.Said))
			if c.Target.IsProgram() {
				require.Equal(t, []corpus.Held{{Statement: "x[0:3] = clone(x[1:4])", Buffer: "x", Rows: []string{"x1", "x2", "x3", "x3"}}}, d.Before)
			}
		})
	}
}

// Of a large window some rows are noted, and of many lanes a few; all are counted.
func TestSeenOfManyRows(t *testing.T) {
	c, err := corpus.Parse("case", []byte("slidefuzz case v1\nshape batch=2 heads=4 window=200 dim=1 dtype=F32 layout=heads-first\ntarget cat/drop-war/sim\nblock 1\nschedule descending\nappend 200\nappend 1\n"), 0)
	require.NoError(t, err)
	d, err := Local().One(t.Context(), c)
	require.NoError(t, err)
	s := d.Seen
	require.Equal(t, []int{200, 8, 8}, []int{s.Rows, s.Lanes, s.WrongLanes})
	require.Len(t, s.Drawn, 4)
	require.Len(t, s.Drawn[0].Rows, 24)
	require.Len(t, s.Drawn[3].Rows, 8)
	require.Equal(t, 199, s.Drawn[3].Wrong)
}
