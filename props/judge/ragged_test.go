package judge_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// windows keeps the newest W tokens of each entry, one head, and returns them, or of
// an entry that is handed more than W all of these.
type windows struct {
	shape     impls.Shape
	n         []int
	rows      [2][][][]byte // tensor, entry
	positions [][]int
}

func (c *windows) Reset() {
	*c = windows{shape: c.shape, n: make([]int, c.shape.Batch)}
	for t := range c.rows {
		c.rows[t] = make([][][]byte, c.shape.Batch)
	}
}

func (c *windows) Positions() [][]int { return c.positions }

func (c *windows) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	lengths := make([]int, keys.Batch)
	for b := range lengths {
		lengths[b] = keys.Rows
	}
	return c.UpdateEach(keys, values, lengths)
}

func (c *windows) UpdateEach(keys, values impls.Tensor, lengths []int) (k, v impls.Tensor, err error) {
	w := c.shape.Window
	rows := max(w, keys.Rows)
	c.positions = nil
	for t, x := range []impls.Tensor{keys, values} {
		out := impls.NewTensor(c.shape, rows)
		for b, n := range lengths {
			all := c.rows[t][b]
			for i := keys.Rows - n; i < keys.Rows; i++ {
				all = append(all, append([]byte(nil), x.Row(b, i)...))
			}
			shown := all[max(0, len(all)-max(w, n)):]
			if n > w {
				shown = all[len(all)-n:]
			}
			for i, row := range shown {
				copy(out.Row(b, i), row)
			}
			c.rows[t][b] = all[max(0, len(all)-w):]
			if t == 0 {
				c.n[b] += n
				list := make([]int, rows)
				for i := range list {
					if list[i] = c.n[b] - len(shown) + i; i >= len(shown) {
						list[i] = -1
					}
				}
				c.positions = append(c.positions, list)
			}
		}
		if t == 0 {
			k = out
		} else {
			v = out
		}
	}
	return k, v, nil
}

// Under the narrow contract an entry that decodes beside one that is handed more than
// a window is judged by its own window.
func TestNarrowEntriesAreJudgedEach(t *testing.T) {
	c := &windows{shape: impls.Shape{Batch: 2, Heads: 1, Window: 2, Dim: 2, DType: impls.U8}}
	c.Reset()
	d, err := judge.New().Cache(t.Context(), &corpus.Case{Shape: c.shape, Ops: []corpus.Op{
		{Kind: corpus.Append, N: 1},
		{Kind: corpus.Append, N: 4, Each: []int{4, 1}},
		{Kind: corpus.Append, N: 1},
	}}, run.Cache(c), oracle.Single)
	require.NoError(t, err)
	require.Nil(t, d)
}

// echo returns the chunk that it is handed, but for one cell.
type echo struct {
	windows
	entry, row int // of the cell, none for entry -1
}

func (c *echo) UpdateEach(keys, values impls.Tensor, _ []int) (k, v impls.Tensor, err error) {
	k, v = keys.Clone(c.shape), values.Clone(c.shape)
	if c.entry >= 0 {
		v.Row(c.entry, c.row)[0] ^= 1
	}
	return k, v, nil
}

// A chunk of more than a window comes back as it is: each entry's tokens are its last rows,
// what is before them is anything.
func TestNarrowEntriesComeBack(t *testing.T) {
	for _, x := range []struct {
		entry, row int
		wrong      bool
	}{{-1, 0, false}, {0, 0, true}, {0, 3, true}, {1, 0, false}, {1, 2, false}, {1, 3, true}} {
		c := &echo{windows{shape: impls.Shape{Batch: 2, Heads: 1, Window: 2, Dim: 2, DType: impls.U8}}, x.entry, x.row}
		c.Reset()
		d, err := judge.New().Cache(t.Context(), &corpus.Case{Shape: c.shape, Ops: []corpus.Op{
			{Kind: corpus.Append, N: 4, Each: []int{4, 1}},
		}}, run.Cache(c), oracle.Single)
		require.NoError(t, err)
		require.Equal(t, x.wrong, d != nil, "entry %d, row %d: %v", x.entry, x.row, d)
		if d != nil {
			require.Equal(t, x.row, d.Row)
		}
	}
}

// masking is windows that say which rows each query sees: the causal ones, but for the
// first query of entry 1 that sees one more.
type masking struct {
	windows
	more bool
	q    int
}

func (c *masking) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	c.q = keys.Rows
	return c.windows.Update(keys, values)
}

func (c *masking) Visible() [][][]bool {
	all := make([][][]bool, c.shape.Batch)
	for b := range all {
		for i := range c.q {
			mask := make([]bool, max(c.q, c.shape.Window))
			for row := range mask {
				mask[row] = row <= i || c.more && b == 1
			}
			all[b] = append(all[b], mask)
		}
	}
	return all
}

// The mask of a first chunk that fills the window is judged, also where rows have positions.
func TestMaskOfAWholeWindow(t *testing.T) {
	for _, more := range []bool{false, true} {
		c := &masking{windows: windows{shape: impls.Shape{Batch: 2, Heads: 1, Window: 2, Dim: 2, DType: impls.U8}}, more: more}
		c.Reset()
		d, err := judge.New().Cache(t.Context(), &corpus.Case{Shape: c.shape, Ops: []corpus.Op{{Kind: corpus.Append, N: 2}}}, run.Cache(c), oracle.Single)
		require.NoError(t, err)
		require.Equal(t, more, d != nil, "%v", d)
	}
}
