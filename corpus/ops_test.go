package corpus

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// The table has no gap, and its words and kinds are one to one.
func TestOperationsAreATable(t *testing.T) {
	words := map[string]bool{"shape": true, "target": true, "block": true, "schedule": true, "order": true, "buffer": true, "expect": true}
	for k, x := range Operations() {
		require.NotNil(t, x, "kind %d", k)
		require.False(t, words[x.Name()], "%s twice", x.Name())
		words[x.Name()] = true
		kind, ok := lookupKind(x.Name())
		require.True(t, ok)
		require.Equal(t, OpKind(k), kind)
		for tokens := range 4 {
			for _, o := range x.Forms(tokens, 3) {
				require.Equal(t, kind, o.Kind)
				require.Equal(t, tokens, o.Tokens(), o)
				require.True(t, o.InForms(4), "%s: a wider window has it too", o)
				p := Op{Kind: kind}
				require.NoError(t, x.Parse(&p, x.Args(&o)[min(1, len(x.Args(&o))):]))
				require.True(t, o.equal(&p), "%s, read as %s", o, p)
			}
		}
	}
}

// Each first byte of an operation stands for one kind.
func TestEachByteIsOneOperation(t *testing.T) {
	s := impls.Shape{Batch: 2, Heads: 3, Window: 5, Dim: 4}
	for kind := range 256 {
		for n := range 16 {
			var made []Op
			for _, x := range Operations() {
				if o, ok := x.Decode(kind, n, s); ok {
					require.NoError(t, x.Check(&o, s))
					made = append(made, o)
				}
			}
			require.Len(t, made, 1, "bytes %d %d: %v", kind, n, made)
		}
	}
}

// The lengths follow a cache that refuses nothing but what each must: the state
// of which the judge's is the other.
func TestLengths(t *testing.T) {
	s := impls.Shape{Batch: 1, Heads: 1, Window: 4, Dim: 1}
	at := NewLengths(s)
	copied := at
	for _, step := range []struct {
		op   Op
		want int
	}{
		{Op{Kind: Restore, N: 1}, 0}, // never taken
		{Op{Kind: Append, N: 3}, 3},
		{Op{Kind: Append, N: 2, Dim: 7}, 3}, // refused by all
		{Op{Kind: Append, N: 2, Dim: 1}, 5}, // the cache's own
		{Op{Kind: Snapshot, N: 1}, 5},
		{Op{Kind: Crop, N: 9}, 5},
		{Op{Kind: Crop, N: 2}, 2},
		{Op{Kind: Reset}, 0},
		{Op{Kind: Restore, N: 1}, 5},
	} {
		at.After(&step.op, s)
		require.Equal(t, step.want, at.Len(), step.op)
		if step.op.Kind == Crop {
			copied = at
		}
	}
	at.After(&Op{Kind: Reset}, s)
	at.After(&Op{Kind: Snapshot, N: 1}, s)
	copied.After(&Op{Kind: Restore, N: 1}, s)
	require.Equal(t, 5, copied.Len(), "a copy has snapshots of its own")
	empty := NewLengths(s)
	require.Equal(t, MustRefuse, Append.Operation().Answer(&Op{N: 0}, s, empty.State(), oracle.Single))
}

// Each entry has a length of its own, and the batch is that of the moment.
func TestLengthsOfEntries(t *testing.T) {
	s := impls.Shape{Batch: 2, Heads: 1, Window: 4, Dim: 1}
	at := NewLengths(s)
	for _, step := range []struct {
		op   string
		want []int
	}{
		{"append 3", []int{3, 3}},
		{"append 2,0", []int{5, 3}},
		{"append 1,1,1", []int{5, 3}}, // another batch
		{"crop 4", []int{4, 3}},
		{"crop 4,1", []int{4, 1}},
		{"crop 0,0,0", []int{4, 1}}, // another batch
		{"select 1,1,0", []int{1, 1, 4}},
		{"select 3", []int{1, 1, 4}}, // there is none
		{"append 1,2,0", []int{2, 3, 4}},
		{"append 1 batch=3", []int{3, 4, 5}},
		{"snapshot 0", []int{3, 4, 5}},
		{"select 2", []int{5}},
		{"append 2", []int{7}},
		{"restore 0", []int{3, 4, 5}},
		{"reset", []int{0, 0}},
	} {
		c, err := Parse("f", append(Decode(nil).Text(), step.op+"\n"...), 0)
		require.NoError(t, err, step.op)
		o := c.Ops[len(c.Ops)-1]
		require.Equal(t, step.op, o.String())
		at.After(&o, s)
		require.Equal(t, step.want, at.at.n, step.op)
	}
	c := Decode(nil)
	c.Ops = []Op{{Kind: Select, Each: []int{0, 0, 0}}, {Kind: Append, N: 4}}
	batch, small := c.Bytes(), Decode(nil)
	small.Ops = []Op{{Kind: Append, N: 4}}
	require.GreaterOrEqual(t, batch, 3*small.Bytes(), "the limit is for the largest batch")
	require.Equal(t, 3, c.MaxBatch())
}

// A case for another shape keeps what its operations are about.
func TestFit(t *testing.T) {
	drawn := impls.Shape{Batch: 2, Heads: 1, Window: 4, Dim: 1}
	s := impls.Shape{Batch: 3, Heads: 1, Window: 8, Dim: 1}
	for from, want := range map[string]string{
		"append 4,2": "append 8,4,8",
		"crop 4,1":   "crop 8,1,8",
		"select 1,0": "select 1,0",
		"crop 3":     "crop 6",
		"append 2":   "append 4",
	} {
		c, err := Parse("f", append(Decode(nil).Text(), from+"\n"...), 0)
		require.NoError(t, err)
		o := c.Ops[len(c.Ops)-1]
		p := o.Kind.Operation().Fit(&o, drawn, s)
		require.Equal(t, want, p.String())
	}
}

func TestFeaturesInTheirOrder(t *testing.T) {
	require.Equal(t, []Feature{WindowOne, Exact, LongChunks, Crossing, Empty, OtherBatch, MismatchedChunks, Ragged, Resets, Crops, Snapshots, Selects}, Features())
}

func TestOperationsThatMeanNothing(t *testing.T) {
	c := Decode(nil)
	c.Ops = []Op{{Kind: OpKind(len(operations))}}
	require.ErrorContains(t, c.Check(DefaultLimit), "operation 1: there is no kind")
	c.Ops = []Op{{Kind: Reset, Pad: []int{0}}}
	require.ErrorContains(t, c.Check(DefaultLimit), "pad and shape belong to append")
	for line, want := range map[string]string{
		"reset 1":                  "reset takes nothing",
		"crop 1 pad=1":             `crop: "1 pad=1" is not a number`,
		"snapshot":                 `snapshot: "" is not a number`,
		"select":                   `select: "" is not a number`,
		"select 0,1,2,3,4,5,6,7,8": "9 numbers, want 1 to 8",
		"append 1,2 pad=0,0":       "without pad and batch",
		"append 1,-1":              "-1 is outside",
	} {
		_, err := Parse("f", append(Decode(nil).Text(), line+"\n"...), 0)
		require.ErrorContains(t, err, want)
	}
}
