package judge_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/caches"
	"github.com/slidefuzz/slidefuzz/oracle"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// masked keeps all tokens of its entries and returns them in their order, spare rows of
// zeros after them. Which of them a query sees is up to see, for one mask of so many.
type masked struct {
	shape         impls.Shape
	n, q, spare   int
	data          [2]impls.Tensor
	masks, sinks  int
	queries, rows int // that a mask has too many
	see           func(entry, position, row int) bool
	positions     [][]int
	changed       func(x *impls.Tensor)
	returnedRows  int
}

func (c *masked) Reset() { c.n, c.data = 0, [2]impls.Tensor{} }

func (c *masked) Sinks() int { return c.sinks }

func (c *masked) Positions() [][]int { return c.positions }

func (c *masked) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	c.q = keys.Rows
	for t, x := range []*impls.Tensor{&keys, &values} {
		out := impls.NewTensor(c.shape, c.n+c.q+c.spare)
		for lane := range out.Lanes() {
			for row := range c.n {
				copy(out.Row(lane, row), c.data[t].Row(lane, row))
			}
			for row := range c.q {
				copy(out.Row(lane, c.n+row), x.Row(lane, row))
			}
		}
		c.data[t] = out
	}
	c.n += c.q
	k, v = c.data[0].Clone(c.shape), c.data[1].Clone(c.shape)
	if c.changed != nil {
		c.changed(&k)
	}
	c.returnedRows = k.Rows
	return k, v, nil
}

func (c *masked) Visible() [][][]bool {
	all := make([][][]bool, c.masks)
	for b := range all {
		for i := range c.q + c.queries {
			mask := make([]bool, c.returnedRows+c.rows)
			for row := range mask {
				mask[row] = c.see(b, c.n-c.q+i, row)
			}
			all[b] = append(all[b], mask)
		}
	}
	return all
}

// window is the right mask of a window of w rows, and so many sinks.
func window(w, sinks int) func(entry, position, row int) bool {
	return func(_, p, row int) bool { return row <= p && (row > p-w || row < sinks) }
}

// What a cache says that each query sees is judged query by query and row by row.
func TestMasks(t *testing.T) {
	decodes := []corpus.Op{{Kind: corpus.Append, N: 3}, {Kind: corpus.Append, N: 1}, {Kind: corpus.Append, N: 2}}
	w2 := window(2, 0)
	but := func(right func(entry, p, row int) bool, entry, p, row int) func(entry, p, row int) bool {
		return func(e, q, r int) bool { return right(e, q, r) != (e == entry && q == p && r == row) }
	}
	for name, x := range map[string]struct {
		cache masked
		op    int // 0: no divergence
		want  string
		row   int
	}{
		"one for all":           {masked{masks: 1, see: w2}, 0, "", 0},
		"one each":              {masked{masks: 2, see: w2}, 0, "", 0},
		"empty rows":            {masked{masks: 1, see: w2, spare: 2}, 0, "", 0},
		"sinks":                 {masked{masks: 2, see: window(2, 1), sinks: 1}, 0, "", 0},
		"three for two entries": {masked{masks: 3, see: w2}, 1, "3 masks for a batch of 2", 0},
		"too many queries":      {masked{masks: 1, see: w2, queries: 1}, 1, "a mask of 4 queries for a chunk of 3", 0},
		"too many rows":         {masked{masks: 2, see: w2, rows: 1}, 1, "a mask of 4 rows for query 0; 3 rows are returned", 0},
		"an empty row":          {masked{masks: 2, see: but(w2, 1, 3, 5), spare: 2}, 2, "query of entry 1 at position 3 attends to row 5, which holds no token", 5},
		"the future":            {masked{masks: 2, see: but(w2, 1, 4, 5)}, 3, "query of entry 1 at position 4 attends to row 5, position 5, which comes after it", 5},
		"before the window":     {masked{masks: 2, see: but(w2, 0, 3, 1)}, 2, "position 3 attends to row 1, position 1, which is before its window: it sees positions from 2 on", 1},
		"behind the sinks":      {masked{masks: 2, see: but(window(2, 1), 0, 3, 1), sinks: 1}, 2, "position 3 attends to row 1, position 1, which is before its window: it sees positions from 2 on and the first 1", 1},
		"not itself":            {masked{masks: 2, see: but(w2, 0, 3, 3)}, 2, "position 3 does not attend to position 3", 3},
		"not the oldest":        {masked{masks: 2, see: but(w2, 0, 3, 2)}, 2, "position 3 does not attend to position 2", 2},
		"not the oldest, sinks": {masked{masks: 2, see: but(window(2, 1), 1, 3, 2), sinks: 1}, 2, "position 3 does not attend to position 2", 2},
		"not the sink":          {masked{masks: 2, see: but(window(2, 1), 1, 3, 0), sinks: 1}, 2, "position 3 does not attend to position 0", 0},
		"not the first query":   {masked{masks: 2, see: but(w2, 0, 0, 0)}, 1, "position 0 does not attend to position 0", 0},
		"twice":                 {masked{masks: 2, see: func(e, p, row int) bool { return row <= p }, positions: [][]int{{0, 1, 0}}}, 1, "position 2 attends to position 0 twice, in rows 0 and 2", 2},
		"positions too few":     {masked{masks: 2, see: w2, positions: [][]int{{0, 1}}}, 1, "2 positions for 3 returned rows", 0},
		"a lane":                {masked{masks: 2, see: w2, changed: func(x *impls.Tensor) { x.Row(3, x.Rows-1)[0] ^= 1 }}, 1, "lane 3 row 2", 2},
	} {
		t.Run(name, func(t *testing.T) {
			c := &x.cache
			c.shape = impls.Shape{Batch: 2, Heads: 2, Window: 2, Dim: 1, DType: impls.F32}
			if name == "twice" {
				c.shape.Window = 3
			}
			d, err := judge.New().Cache(t.Context(), &corpus.Case{Shape: c.shape, Ops: decodes}, run.Cache(c), oracle.Chunks)
			require.NoError(t, err)
			if x.op == 0 {
				require.Nil(t, d, "%v", d)
				return
			}
			require.NotNil(t, d)
			require.Equal(t, x.op, d.Op, "%v", d)
			require.Contains(t, d.String(), x.want)
			require.Equal(t, x.row, d.Row)
			if strings.Contains(x.want, "query of entry 1") {
				require.Equal(t, 2, d.Lane, "the first of its entry")
			}
		})
	}
}

// refusing is a hybrid that refuses in one layer.
type refusing struct {
	*caches.Hybrid
	layer int
}

func (c refusing) UpdateLayer(layer int, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if layer == c.layer {
		return k, v, errors.New("no room")
	}
	return c.Hybrid.UpdateLayer(layer, keys, values)
}

// A layer that refuses what one before it has taken leaves them with other numbers of
// tokens; the first may refuse as any cache does.
func TestLayersThatRefuse(t *testing.T) {
	c := &corpus.Case{
		Shape: impls.Shape{Batch: 1, Heads: 1, Window: 2, Dim: 1, DType: impls.F32},
		Ops:   []corpus.Op{{Kind: corpus.Append, N: 1}},
	}
	for layer := range 4 {
		hybrid, err := caches.NewHybrid(c.Shape)
		require.NoError(t, err)
		d, err := judge.New().Cache(t.Context(), c, run.Cache(refusing{hybrid, layer}), oracle.Chunks)
		require.NoError(t, err)
		require.Equal(t, corpus.FaultRefused, d.Fault)
		require.Contains(t, d.String(), "no room")
		if layer == 0 {
			require.NotContains(t, d.String(), "layer", "it is no layer's fault")
		} else {
			require.Contains(t, d.String(), "layer "+string(rune('0'+layer))+" refuses what layer 0 has taken")
		}
	}
}

// mixing is a hybrid that returns what it was handed for another layer.
type mixing struct {
	*caches.Hybrid
	layer, of int
	shape     impls.Shape
	first     [2]impls.Tensor
}

func (c *mixing) UpdateLayer(layer int, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	k, v, err = c.Hybrid.UpdateLayer(layer, keys, values)
	if layer == c.of {
		c.first = [2]impls.Tensor{k.Clone(c.shape), v.Clone(c.shape)}
	}
	if layer == c.layer {
		return c.first[0], c.first[1], err
	}
	return k, v, err
}

// A row of another layer is named as such.
func TestRowsOfAnotherLayerAreNamed(t *testing.T) {
	c := &corpus.Case{
		Shape: impls.Shape{Batch: 1, Heads: 1, Window: 4, Dim: 1, DType: impls.F32},
		Ops:   []corpus.Op{{Kind: corpus.Append, N: 2}},
	}
	for _, x := range []struct {
		layer, of int
		want      string
	}{{1, 0, "token 0 of layer 0"}, {3, 2, "token 0 of layer 2"}, {2, 1, "token 0 of layer 1"}} {
		hybrid, err := caches.NewHybrid(c.Shape)
		require.NoError(t, err)
		d, err := judge.New().Cache(t.Context(), c, run.Cache(&mixing{Hybrid: hybrid, shape: c.Shape, layer: x.layer, of: x.of}), oracle.Chunks)
		require.NoError(t, err)
		require.NotNil(t, d)
		require.Equal(t, corpus.FaultRows, d.Fault)
		require.Equal(t, x.want, d.Got)
		require.Equal(t, "token 0", d.Want)
	}
}
