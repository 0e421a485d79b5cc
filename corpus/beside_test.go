package corpus_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
)

const together = `slidefuzz case v1
shape batch=1 heads=1 window=1 dim=1 dtype=U8 layout=heads-first
target program/worker/jit
block 1
schedule native
buffer x 2
x[0:1] = x[1:2]
beside
shape batch=1 heads=2 window=1 dim=16 dtype=F32 layout=heads-first
buffer y 3
buffer beside 1
beside[0:1] = y[0:1]
beside
shape batch=1 heads=1 window=1 dim=1 dtype=U8 layout=heads-first
buffer x 1
beside = clone(x[0:1])
x[0:1] = beside[0:1]
expect op=1 tensor=- fault=crash rate=3/20
`

// A case may hold the programs that a worker is given in one request with its own: they are
// read, printed, counted and copied, and are each a case.
func TestBeside(t *testing.T) {
	c, err := corpus.Parse("case", []byte(together), 0)
	require.NoError(t, err)
	require.Equal(t, together, string(c.Text()))
	require.Len(t, c.Beside, 2)
	each := c.Each()
	require.Len(t, each, 3)
	want := int64(0)
	for _, one := range each {
		require.NoError(t, one.Check(corpus.DefaultLimit))
		require.Empty(t, one.Beside)
		require.Equal(t, c.Target, one.Target)
		want += one.Bytes()
	}
	require.Equal(t, want, c.Bytes())
	require.Contains(t, string(each[1].Text()), "shape batch=1 heads=2 window=1 dim=16 dtype=F32 layout=heads-first\ntarget program/worker/jit\nblock 1\nschedule native\nbuffer y 3\n")
	again := corpus.Batch(each)
	again.Expect = c.Expect
	require.Equal(t, together, string(again.Text()))
	again.Beside[0].Program.Buffers[0].Rows = 9
	require.Equal(t, 3, each[1].Program.Buffers[0].Rows)
	require.Negative(t, corpus.Compare(corpus.Batch(each[:2]), c))
	require.Error(t, c.Check(c.Bytes()-1), "more than they take is not allowed")
}

// What is wrong with a program beside that of a case is said with its line.
func TestBesideErrors(t *testing.T) {
	for _, x := range []struct{ old, new, want string }{
		{"beside[0:1] = y[0:1]", "beside[0:1] = y[7:8]", "case:12: program 1 beside it: "},
		{"beside[0:1] = y[0:1]", "beside[0:1] = y[0:1] + y[1:2]\ny[0:1] = x[0:1]", "case:13: program 1 beside it: "},
		{"beside = clone(x[0:1])", "beside = x[0:2]", "case:16: program 2 beside it: "},
		{"buffer x 1\n", "", "case:17: program 2 beside it: "},
		{"shape batch=1 heads=2", "shape heads=2", "case:9: shape: want all of batch="},
		{"shape batch=1 heads=2 window=1 dim=16 dtype=F32 layout=heads-first\n", "", "program 1 beside it: its line \"shape\" is missing"},
		{"buffer y 3", "shape batch=1 heads=1 window=1 dim=1 dtype=U8 layout=heads-first", "case:10: a second line \"shape\""},
		{"\nbeside\n", "\nbeside 1\n", `case:8: "beside 1": want beside alone in its line`},
		{"target program/worker/jit", "target program/fused/sim", "others beside it are for a target program/worker"},
		{"target program/worker/jit", "target worker/x", "buffers and statements belong to a target program/"},
	} {
		_, err := corpus.Parse("case", []byte(strings.Replace(together, x.old, x.new, 1)), 0)
		require.ErrorContains(t, err, x.want)
	}
}
