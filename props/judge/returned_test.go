package judge_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
	"github.com/slidefuzz/slidefuzz/props/judge"
	"github.com/slidefuzz/slidefuzz/props/run"
)

// shown keeps all tokens of its entries, which have one head, and returns those whose
// positions show gives, -1 for a row of zeros.
type shown struct {
	shape     impls.Shape
	n, q      int
	rows      [2][][][]byte                  // tensor, entry, position
	show      func(n, q, window int) []int   // of n tokens, the last q of them new
	positions func(n, q, window int) [][]int // nil for none
	visible   func(n, q, window int) [][][]bool
	sinks     int
	flip      int // one more than the returned row whose values are wrong in entry 1
}

func (c *shown) Reset() { c.n, c.rows = 0, [2][][][]byte{} }

func (c *shown) Sinks() int { return c.sinks }

func (c *shown) Positions() [][]int {
	if c.positions == nil || c.n == 0 {
		return nil
	}
	return c.positions(c.n, c.q, c.shape.Window)
}

func (c *shown) Visible() [][][]bool {
	if c.visible == nil {
		return nil
	}
	return c.visible(c.n, c.q, c.shape.Window)
}

func (c *shown) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	c.n, c.q = c.n+keys.Rows, keys.Rows
	list := c.show(c.n, c.q, c.shape.Window)
	var out [2]impls.Tensor
	for t, x := range []*impls.Tensor{&keys, &values} {
		if c.rows[t] == nil {
			c.rows[t] = make([][][]byte, x.Batch)
		}
		out[t] = impls.NewTensor(c.shape, len(list))
		for b := range x.Batch {
			for i := range x.Rows {
				c.rows[t][b] = append(c.rows[t][b], slices.Clone(x.Row(b, i)))
			}
			for row, p := range list {
				if p >= 0 {
					copy(out[t].Row(b, row), c.rows[t][b][p])
				}
			}
		}
	}
	if c.flip > 0 && c.flip <= len(list) {
		out[1].Row(1, c.flip-1)[0] ^= 1
	}
	return out[0], out[1], nil
}

// newest is the positions of the newest tokens, as many as there are, but no more than
// so many.
func newest(n, rows int) (list []int) {
	for p := max(0, n-rows); p < n; p++ {
		list = append(list, p)
	}
	return list
}

// filled is a list with -1 behind it, so that it has n.
func filled(list []int, n int) []int {
	for len(list) < n {
		list = append(list, -1)
	}
	return list
}

// buffer is what the narrow contract returns.
func buffer(n, q, w int) []int {
	if q > w {
		return newest(n, q)
	}
	return filled(newest(n, w), w)
}

// turned is a list whose first becomes its last.
func turned(list []int) []int { return append(slices.Clone(list[1:]), list[0]) }

func appends(lens ...int) (ops []corpus.Op) {
	for _, n := range lens {
		ops = append(ops, corpus.Op{Kind: corpus.Append, N: n})
	}
	return ops
}

// once makes what a function shows something else after so many tokens.
func once(at int, then, else_ func(n, q, w int) []int) func(n, q, w int) []int {
	return func(n, q, w int) []int {
		if n == at {
			return then(n, q, w)
		}
		return else_(n, q, w)
	}
}

func listed(f func(n, q, w int) []int) func(n, q, w int) [][]int {
	return func(n, q, w int) [][]int { return [][]int{f(n, q, w)} }
}

type returnedCase struct {
	name     string
	cache    shown
	contract oracle.Contract
	ops      []corpus.Op
	limits   judge.Limits
	op       int // 0: no divergence
	want     string
}

// Which rows may be returned, by either contract.
func TestReturnedRows(t *testing.T) {
	single, chunks := oracle.Single, oracle.Chunks
	narrow := appends(2, 1, 1, 5, 1)
	ring := func(n, q, w int) []int { return turned(buffer(n, q, w)) }
	exact := func(n, q, w int) []int { return newest(n, w-1+max(1, q)) }
	rows := func(k int) func(n, q, w int) []int {
		return func(n, _, _ int) []int { return newest(n, k) }
	}
	zero := 0
	sees := func(right bool) func(n, q, w int) [][][]bool {
		return func(n, q, w int) [][][]bool {
			mask := make([][]bool, q)
			for i := range mask {
				for row := range buffer(n, q, w) {
					mask[i] = append(mask[i], (row <= min(n, w)-q+i) == right)
				}
			}
			return [][][]bool{mask}
		}
	}
	for _, x := range []returnedCase{
		{"the buffer", shown{show: buffer}, single, narrow, judge.Limits{}, 0, ""},
		{"a long chunk cut", shown{show: func(n, _, w int) []int { return filled(newest(n, w), w) }}, single, narrow, judge.Limits{}, 4, "returned 3 rows, expected 5"},
		{"the live rows alone", shown{show: func(n, q, w int) []int { return newest(n, max(q, w)) }}, single, narrow, judge.Limits{}, 1, "returned 2 rows, expected 3"},
		{"one token too old", shown{show: once(4, func(int, int, int) []int { return []int{0, 2, 3} }, buffer)}, single, narrow, judge.Limits{}, 3, "lane 0 row 0 holds token 0, expected token 1"},
		{"a cell of a long chunk", shown{show: buffer, flip: 5}, single, narrow, judge.Limits{}, 4, "values returned: lane 1 row 4"},
		{"a ring", shown{show: ring, positions: listed(ring)}, single, narrow, judge.Limits{}, 0, ""},
		{"a ring and its mask", shown{show: ring, positions: listed(ring), visible: func(n, q, w int) [][][]bool {
			mask := make([][]bool, q)
			for i := range mask {
				for _, p := range ring(n, q, w) {
					mask[i] = append(mask[i], p >= 0 && p <= n-q+i)
				}
			}
			return [][][]bool{mask}
		}}, single, narrow, judge.Limits{}, 0, ""},
		{"a ring and a wrong mask", shown{show: ring, positions: listed(ring), visible: func(n, q, w int) [][][]bool {
			return [][][]bool{slices.Repeat([][]bool{make([]bool, max(q, w))}, q)}
		}}, single, narrow, judge.Limits{}, 1, "does not attend to position 0"},
		{"a ring whose long chunk's mask is not asked for", shown{show: ring, positions: listed(ring), visible: func(n, q, w int) [][][]bool {
			return [][][]bool{slices.Repeat([][]bool{make([]bool, max(q, w))}, q)}
		}}, single, appends(5), judge.Limits{}, 0, ""},
		{"a ring that claims other rows", shown{show: ring, positions: listed(buffer)}, single, narrow, judge.Limits{}, 1, "lane 0 row 0 holds token 1, expected token 0"},
		{"a ring that returns too many", shown{show: rows(4), positions: listed(rows(4))}, single, appends(3, 1), judge.Limits{}, 2, "row 0 of entry 0 claims position 0, which has left the window of 3"},
		{"a ring that lacks one", shown{show: rows(2), positions: listed(rows(2))}, single, appends(2, 1), judge.Limits{}, 2, "no returned row holds position 0 of entry 0 (token 0)"},
		{"the buffer and its mask", shown{show: buffer, visible: sees(true)}, single, appends(2, 1, 1), judge.Limits{}, 0, ""},
		{"the buffer and a wrong mask", shown{show: buffer, visible: sees(false)}, single, appends(2, 1, 1), judge.Limits{}, 1, "attends to row 1, position 1, which comes after it"},
		{"a wrong buffer and its mask", shown{show: buffer, visible: sees(true), flip: 1}, single, appends(3), judge.Limits{}, 1, "values returned: lane 1 row 0"},

		{"what the queries see", shown{show: exact}, chunks, appends(2, 3, 1, 0, 6), judge.Limits{}, 0, ""},
		{"one row less", shown{show: once(6, rows(2), exact)}, chunks, appends(2, 3, 1), judge.Limits{}, 3, "returned the newest 2 rows after 6 tokens; the query at position 5 sees positions from 3 on"},
		{"one row less of a chunk", shown{show: once(5, rows(4), exact)}, chunks, appends(2, 3), judge.Limits{}, 2, "the query at position 2 sees positions from 0 on"},
		{"nothing for no tokens", shown{show: func(n, q, w int) []int {
			if q == 0 {
				return nil
			}
			return newest(n, w-1+q)
		}}, chunks, appends(4, 0, 1), judge.Limits{}, 0, ""},
		{"sinks in all that there is", shown{show: rows(99), sinks: 1}, chunks, appends(4, 2), judge.Limits{}, 0, ""},
		{"sinks cut off", shown{show: rows(5), sinks: 1}, chunks, appends(5, 1), judge.Limits{}, 2, "sees positions from 3 on and the first 1"},
		{"sinks in an order of its own", shown{
			show: func(n, q, w int) []int { return append([]int{0}, newest(n-1, w-1+q)...) }, sinks: 1,
			positions: listed(func(n, q, w int) []int { return append([]int{0}, newest(n-1, w-1+q)...) }),
		}, chunks, appends(4), judge.Limits{}, 1, "rows 0 and 1 of entry 0 both claim position 0"},
		{"an order of its own", shown{show: func(n, q, w int) []int { return turned(exact(n, q, w)) }, positions: listed(func(n, q, w int) []int { return turned(exact(n, q, w)) })}, chunks, appends(4, 1, 3), judge.Limits{}, 0, ""},
		{"a position that nobody has", shown{show: exact, positions: func(n, q, w int) [][]int {
			list := exact(n, q, w)
			list[0] = n
			return [][]int{list, exact(n, q, w)}
		}}, chunks, appends(4), judge.Limits{}, 1, "row 0 of entry 0 claims position 4 of 4 tokens"},
		{"three lists for two entries", shown{show: exact, positions: func(n, q, w int) [][]int { return slices.Repeat([][]int{exact(n, q, w)}, 3) }}, chunks, appends(4), judge.Limits{}, 1, "3 lists of positions for a batch of 2"},
		{"a list for each", shown{show: exact, positions: func(n, q, w int) [][]int { return slices.Repeat([][]int{exact(n, q, w)}, 2) }}, chunks, appends(4, 1), judge.Limits{}, 0, ""},
		{"an entry's own wrong list", shown{show: exact, positions: func(n, q, w int) [][]int { return [][]int{exact(n, q, w), turned(exact(n, q, w))} }}, chunks, appends(4, 1), judge.Limits{}, 1, "lane 1 row 0 holds token 0, expected token 1"},

		// In a window of 3: 12 tokens are the most for which all may be returned.
		{"all for four windows", shown{show: rows(99)}, chunks, appends(10, 1, 1), judge.Limits{}, 0, ""},
		{"all after four windows", shown{show: rows(99)}, chunks, appends(10, 1, 1, 1), judge.Limits{}, 4, "returned 13 rows for a chunk of 1 token after 13 tokens in a window of 3; want at most 6, a slack of 3 among them"},
		{"as many as are allowed", shown{show: rows(6)}, chunks, appends(4, 4, 4, 1, 1), judge.Limits{}, 0, ""},
		{"one more", shown{show: once(13, rows(7), rows(6))}, chunks, appends(4, 4, 4, 1, 1), judge.Limits{}, 4, "returned 7 rows"},
		{"of a chunk of two", shown{show: rows(7)}, chunks, appends(5, 5, 4, 2), judge.Limits{}, 0, ""},
		{"of no tokens", shown{show: func(n, q, _ int) []int {
			if q == 0 {
				return newest(n, 6)
			}
			return newest(n, 9)
		}}, chunks, appends(7, 6, 0), judge.Limits{}, 0, ""},
		{"of no tokens, one more", shown{show: func(n, q, _ int) []int {
			if q == 0 {
				return newest(n, 7)
			}
			return newest(n, 9)
		}}, chunks, appends(7, 6, 0), judge.Limits{}, 3, "for a chunk of 0 tokens"},
		{"without slack", shown{show: rows(3)}, chunks, appends(3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), judge.Limits{Slack: &zero}, 0, ""},
		{"one more without slack", shown{show: rows(4)}, chunks, appends(3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), judge.Limits{Slack: &zero}, 11, "want at most 3, a slack of 0 among them"},
		{"sinks count", shown{
			show: func(n, _, _ int) []int { return append([]int{0, 1}, newest(n, 6)...) }, sinks: 2,
			positions: listed(func(n, _, _ int) []int { return append([]int{0, 1}, newest(n, 6)...) }),
		}, chunks, appends(13), judge.Limits{}, 1, "no returned row holds position 2"},
		{"sinks count, decodes", shown{
			show: sinksAnd(6), sinks: 2, positions: listed(sinksAnd(6)),
		}, chunks, appends(8, 1, 1, 1, 1, 1), judge.Limits{}, 0, ""},
		{"sinks count, one more", shown{
			show: sinksAnd(7), sinks: 2, positions: listed(sinksAnd(7)),
		}, chunks, appends(9, 1, 1, 1, 1), judge.Limits{}, 5, "returned 9 rows"},
	} {
		t.Run(x.name, func(t *testing.T) {
			c := &x.cache
			c.shape = impls.Shape{Batch: 2, Heads: 1, Window: 3, Dim: 1, DType: impls.F32}
			j := judge.New()
			j.SetLimits(x.limits)
			d, err := j.Cache(t.Context(), &corpus.Case{Shape: c.shape, Ops: x.ops}, run.Cache(c), x.contract)
			require.NoError(t, err)
			if x.op == 0 {
				require.Nil(t, d, "%v", d)
				return
			}
			require.NotNil(t, d)
			require.Equal(t, x.op, d.Op, "%v", d)
			require.Contains(t, d.String(), x.want)
		})
	}
}

// sinksAnd is the first two and the newest of the others, as many as so many.
func sinksAnd(rows int) func(n, q, w int) []int {
	return func(n, q, _ int) []int {
		if q > 1 {
			return newest(n, n)
		}
		return append([]int{0, 1}, newest(n, rows)...)
	}
}

// The rows around a fault are named by the positions that the cache claims, the first
// position too; rows that nobody attends to by nothing.
func TestRowsAroundAFaultAreNamed(t *testing.T) {
	shape := impls.Shape{Batch: 2, Heads: 1, Window: 4, Dim: 1, DType: impls.F32}
	show := func(n, _, _ int) []int { return append([]int{-1}, newest(n, n)...) }
	c := &shown{
		shape: shape, show: show, positions: listed(show), flip: 4,
		visible: func(n, q, _ int) [][][]bool {
			mask := make([][]bool, q)
			for i := range mask {
				mask[i] = make([]bool, n+1)
				for p := range n - q + i + 1 {
					mask[i][p+1] = true
				}
			}
			return [][][]bool{mask}
		},
	}
	d, err := judge.New().Cache(t.Context(), &corpus.Case{Shape: shape, Ops: appends(3)}, run.Cache(c), oracle.Chunks)
	require.NoError(t, err)
	require.NotNil(t, d)
	require.Equal(t, []int{1, 3}, []int{d.Lane, d.Row})
	require.True(t, d.Seen.Claimed)
	require.Equal(t, 1, d.Seen.WrongLanes)
	var positions []int
	var wants []string
	for _, r := range d.Seen.Drawn[0].Rows {
		positions, wants = append(positions, r.Position), append(wants, r.Want)
		require.Equal(t, r.Row == 3, r.Wrong)
	}
	require.Equal(t, []int{-1, 0, 1, 2}, positions)
	require.Equal(t, []string{"", "token 0", "token 1", "token 2"}, wants)
}

// Without positions rows are named by the usual order: the newest, oldest first.
func TestRowsAroundAFaultOfAMaskAreNamed(t *testing.T) {
	shape := impls.Shape{Batch: 2, Heads: 1, Window: 3, Dim: 1, DType: impls.F32}
	c := &shown{
		shape: shape, show: func(n, _, _ int) []int { return newest(n, 4) }, flip: 4,
		visible: func(n, q, w int) [][][]bool {
			mask := make([][]bool, q)
			for i := range mask {
				for _, p := range newest(n, 4) {
					at := n - q + i
					mask[i] = append(mask[i], p <= at && p > at-w)
				}
			}
			return [][][]bool{mask}
		},
	}
	d, err := judge.New().Cache(t.Context(), &corpus.Case{Shape: shape, Ops: appends(3, 2)}, run.Cache(c), oracle.Chunks)
	require.NoError(t, err)
	require.NotNil(t, d)
	require.Equal(t, []int{2, 1, 3}, []int{d.Op, d.Lane, d.Row})
	require.False(t, d.Seen.Claimed)
	var positions []int
	for _, r := range d.Seen.Drawn[0].Rows {
		positions = append(positions, r.Position)
	}
	require.Equal(t, []int{1, 2, 3, 4}, positions)
}

// Rows of a buffer that hold no token yet are named as zeros, the first of them too.
func TestEmptyRowsAroundAFaultAreNamed(t *testing.T) {
	shape := impls.Shape{Batch: 2, Heads: 1, Window: 4, Dim: 1, DType: impls.F32}
	names, held := []string{"token 0", "token 1", "nothing (zeros)", "nothing (zeros)"}, []int{0, 1, -1, -1}
	for row, name := range names {
		c := &shown{shape: shape, show: buffer, flip: row + 1}
		d, err := judge.New().Cache(t.Context(), &corpus.Case{Shape: shape, Ops: appends(2)}, run.Cache(c), oracle.Single)
		require.NoError(t, err)
		require.NotNil(t, d)
		require.Equal(t, corpus.FaultRows, d.Fault, "%v", d)
		require.Equal(t, []int{1, row, 0, 1}, []int{d.Lane, d.Row, d.Elem, d.Wrong})
		require.Equal(t, name, d.Want)
		require.Len(t, d.Seen.Drawn[0].Rows, 4)
		for i, r := range d.Seen.Drawn[0].Rows {
			require.Equal(t, []any{i, held[i], names[i], i == row}, []any{r.Row, r.Position, r.Want, r.Wrong})
		}
	}
}

// copying is a buffer that is shown, and returned as a copy.
type copying struct {
	shown
	kept  [2]impls.Tensor
	moves bool
}

func (c *copying) Stored() (keys, values impls.Tensor) {
	if c.kept[0].Data == nil {
		c.kept = [2]impls.Tensor{impls.NewTensor(c.shape, c.shape.Window), impls.NewTensor(c.shape, c.shape.Window)}
	}
	return c.kept[0], c.kept[1]
}

func (c *copying) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if k, v, err = c.shown.Update(keys, values); err != nil {
		return k, v, err
	}
	own, ownValues := c.Stored()
	if k.Rows == c.shape.Window {
		copy(own.Data, k.Data)
		copy(ownValues.Data, v.Data)
		if !c.moves {
			return own, ownValues, nil
		}
	}
	return k, v, nil
}

// The narrow contract returns the buffer itself, also of a chunk of exactly the window.
func TestTheBufferItselfIsReturned(t *testing.T) {
	shape := impls.Shape{Batch: 2, Heads: 1, Window: 3, Dim: 1, DType: impls.F32}
	for _, moves := range []bool{false, true} {
		for _, ops := range [][]corpus.Op{appends(3), appends(2, 1), appends(3, 1)} {
			c := &copying{shown: shown{shape: shape, show: buffer}, moves: moves}
			d, err := judge.New().Cache(t.Context(), &corpus.Case{Shape: shape, Ops: ops}, run.Cache(c), oracle.Single)
			require.NoError(t, err)
			if !moves {
				require.Nil(t, d, "%v", d)
				continue
			}
			require.NotNil(t, d)
			require.Equal(t, corpus.FaultMoved, d.Fault)
			require.Contains(t, d.Detail, "returned a copy, not its buffer")
		}
	}
}
