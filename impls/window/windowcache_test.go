package window

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

var oneByte = impls.Shape{Batch: 1, Heads: 1, Window: 3, Dim: 1, DType: impls.U8}

// appendOf appends rows to keys, and the same plus 100 to values, in one chunk.
func appendOf(t *testing.T, c *WindowCache, rows ...byte) (keys, values impls.Tensor) {
	t.Helper()
	keys, values, err := c.Update(chunk(rows...), valuesOf(rows))
	require.NoError(t, err)
	return keys, values
}

func valuesOf(rows []byte) impls.Tensor {
	x := chunk(rows...)
	for i := range x.Data {
		x.Data[i] += 100
	}
	return x
}

// requireRows compares keys with rows, and values with the same plus 100, or 0 for a row
// of zeros.
func requireRows(t *testing.T, keys, values impls.Tensor, rows ...byte) {
	t.Helper()
	require.Equal(t, []int{len(rows), len(rows)}, []int{keys.Rows, values.Rows})
	for r, want := range rows {
		require.Equal(t, want, keys.Row(0, r)[0], "row %d of keys", r)
		if want != 0 {
			want += 100
		}
		require.Equal(t, want, values.Row(0, r)[0], "row %d of values", r)
	}
}

func requireStored(t *testing.T, c *WindowCache, rows ...byte) {
	t.Helper()
	k, v := c.Stored()
	requireRows(t, k, v, rows...)
}

// A crop to as many tokens as there are, or more, does nothing, also where the window has
// slid; one to fewer is refused there, and zeroes the rows from there on elsewhere.
func TestCropOfAWindow(t *testing.T) {
	var refused *impls.RefusedError
	c := newCache(t, "cat/fused/sim", oneByte)
	appendOf(t, c, 1, 2, 3)
	appendOf(t, c, 4)
	for _, n := range []int{4, 5} {
		require.NoError(t, c.Crop(n), n)
		require.NotNil(t, c.LastPlan())
	}
	for _, n := range []int{3, 0, -1} {
		require.ErrorAs(t, c.Crop(n), &refused, n)
	}
	require.Equal(t, 4, c.Len())
	requireStored(t, c, 2, 3, 4)

	c.Recycle(c.engine)
	require.NoError(t, c.Crop(0))
	appendOf(t, c, 1, 2, 3) // full, and has not slid
	require.NoError(t, c.Crop(3))
	require.NotNil(t, c.LastPlan(), "nothing was done")
	require.ErrorAs(t, c.Crop(-1), &refused)
	require.NoError(t, c.Crop(2))
	require.Nil(t, c.LastPlan())
	require.Equal(t, 2, c.Len())
	requireStored(t, c, 1, 2, 0)
	appendOf(t, c, 9)
	requireStored(t, c, 1, 2, 9)
	require.NoError(t, c.Crop(0))
	require.Zero(t, c.Len())
	requireStored(t, c, 0, 0, 0)

	c = newCache(t, "crop-zero/fused/sim", oneByte)
	appendOf(t, c, 1, 2)
	require.NoError(t, c.Crop(0))
	requireStored(t, c, 1, 2, 0)
	require.NoError(t, c.Crop(1))
	requireStored(t, c, 1, 0, 0)

	// What an update as written counts goes back as well.
	c = newCache(t, "cat-as-written/fused/sim", oneByte)
	appendOf(t, c, 1, 2, 3)
	require.NoError(t, c.Crop(1))
	appendOf(t, c, 8)
	requireStored(t, c, 1, 8, 0)
}

// What an update returns: the window, or a longer chunk whole. The bug return-clamped
// cuts that, keys and values alike.
func TestReturnsOfUpdates(t *testing.T) {
	for _, update := range []string{"cat", "return-clamped", "cat-as-written"} {
		c := newCache(t, update+"/fused/sim", oneByte)
		for _, long := range [][]byte{{1, 2, 3, 4}, {1, 2, 3, 4, 5}, {1, 2, 3, 4, 5, 6, 7}} {
			c.Recycle(c.engine)
			k, v := appendOf(t, c, long...)
			last := long[len(long)-3:]
			if update == "return-clamped" {
				requireRows(t, k, v, last...)
			} else {
				requireRows(t, k, v, long...)
			}
			requireStored(t, c, last...)
			require.Equal(t, len(long), c.Len())
		}
		c.Recycle(c.engine)
		k, v := appendOf(t, c, 1, 2)
		requireRows(t, k, v, 1, 2, 0)
		c.Recycle(c.engine)
		k, v = appendOf(t, c, 1, 2, 3)
		requireRows(t, k, v, 1, 2, 3)
		keys, values := c.Stored()
		require.Same(t, &keys.Data[0], &k.Data[0], "the window itself, and not the chunk")
		require.Same(t, &values.Data[0], &v.Data[0])
		k, v = appendOf(t, c, 4)
		requireRows(t, k, v, 2, 3, 4)
	}
}

// The contract "single": one row at any time, more only where they do not cross the
// border of the window, or are more than it holds.
func TestGuardOfAWindow(t *testing.T) {
	for _, x := range []struct {
		before, rows int
		ok           bool
	}{
		{0, 0, false},
		{0, 1, true},
		{0, 2, true},
		{0, 3, true},
		{0, 4, true},
		{1, 1, true},
		{1, 2, true},
		{1, 3, false},
		{1, 4, true},
		{2, 1, true},
		{2, 2, false},
		{3, 0, false},
		{3, 1, true},
		{3, 2, false},
		{3, 3, false},
		{3, 4, true},
	} {
		c := newCache(t, "cat/fused/sim", oneByte)
		if x.before > 0 {
			appendOf(t, c, []byte{1, 2, 3}[:x.before]...)
		}
		_, _, err := c.Update(chunk(make([]byte, x.rows)...), chunk(make([]byte, x.rows)...))
		require.Equal(t, x.ok, err == nil, "%+v: %v", x, err)
	}
}

// The bugs roll-early and evict-empty show at one number of tokens alone.
func TestBugsAtTheBorder(t *testing.T) {
	c := newCache(t, "roll-early/fused/sim", oneByte)
	appendOf(t, c, 1)
	appendOf(t, c, 2)
	requireStored(t, c, 1, 2, 0)
	appendOf(t, c, 3)
	requireStored(t, c, 2, 0, 3)
	c.Recycle(c.engine)
	appendOf(t, c, 1)
	appendOf(t, c, 2, 3) // not by a single token
	requireStored(t, c, 1, 2, 3)
	single := oneByte
	single.Window = 1
	c = newCache(t, "roll-early/fused/sim", single)
	appendOf(t, c, 1)
	require.Same(t, c.engine.plan(c.engine.programs.of(0, 1, false)), c.LastPlan(), "a window of one row is filled, as in roll")

	c = newCache(t, "evict-empty/fused/sim", oneByte)
	appendOf(t, c, 1, 2)
	_, _, err := c.Update(chunk(), chunk())
	require.ErrorContains(t, err, "a chunk of no rows")
	for range 2 { // at a window just full, then one that has slid
		appendOf(t, c, 3)
		requireStored(t, c, storedKey(c, 0), storedKey(c, 1), 3)
		was := storedKey(c, 1)
		k, v := appendOf(t, c)
		requireRows(t, k, v, was, 3, 3) // the newest row stands in for the missing one
	}
	require.Equal(t, 4, c.Len())
}

// storedKey is the stored key of a row.
func storedKey(c *WindowCache, r int) byte {
	k, _ := c.Stored()
	return k.Row(0, r)[0]
}

// An update as written takes chunks that have one entry, head or element where the cache
// has more, and no others.
func TestChunksOfUpdatesAsWritten(t *testing.T) {
	s := impls.Shape{Batch: 2, Heads: 3, Window: 2, Dim: 4, DType: impls.U8}
	like := func(batch, heads, dim, rows int) impls.Tensor {
		x := impls.NewTensor(impls.Shape{Batch: batch, Heads: heads, Window: 1, Dim: dim, DType: impls.U8}, rows)
		for i := range x.Data {
			x.Data[i] = byte(i + 1)
		}
		return x
	}
	good := like(2, 3, 4, 3)
	for _, update := range []string{"shift-index", "cat", "roll"} {
		for _, x := range []struct {
			batch, heads, dim int
			err               string
		}{
			{2, 3, 4, ""},
			{1, 3, 4, ""},
			{2, 1, 4, ""},
			{2, 3, 1, ""},
			{1, 1, 1, ""},
			{3, 3, 4, "the size of tensor a (2) must match the size of tensor b (3)"},
			{2, 2, 4, "the size of tensor a (3) must match the size of tensor b (2)"},
			{2, 3, 5, "the size of tensor a (4) must match the size of tensor b (5)"},
			{1, 1, 2, "the size of tensor a (4) must match the size of tensor b (2)"},
		} {
			odd := like(x.batch, x.heads, x.dim, 3)
			for i, in := range [][2]impls.Tensor{{odd, odd}, {odd, good}, {good, odd}} {
				c := newCache(t, update+"-as-written/fused/sim", s)
				k, v, err := c.Update(in[0], in[1])
				if x.err != "" {
					require.EqualError(t, err, x.err, "%s %+v", update, x)
					require.Zero(t, c.Len())
					continue
				}
				require.NoError(t, err, "%s %+v", update, x)
				require.Equal(t, in, [2]impls.Tensor{k, v}, "a longer chunk is returned as it came")
				stored := [2]impls.Tensor{}
				stored[0], stored[1] = c.Stored()
				for n := range stored {
					for lane := range 6 {
						for r := range 2 {
							for e := range 4 {
								at := min(lane/3, in[n].Batch-1)*in[n].Heads + min(lane%3, in[n].Heads-1)
								require.Equal(t, in[n].Row(at, r+1)[min(e, in[n].Dim-1)], stored[n].Row(lane, r)[e], "%s %+v, case %d", update, x, i)
							}
						}
					}
				}
			}
		}
		c := newCache(t, update+"-as-written/fused/sim", s)
		_, _, err := c.Update(good, like(2, 3, 4, 2))
		require.EqualError(t, err, "expected U8 with 3 rows, got U8 with 2")
		wide := impls.NewTensor(impls.Shape{Batch: 2, Heads: 3, Window: 1, Dim: 4, DType: impls.F32}, 3)
		_, _, err = c.Update(good, wide)
		require.EqualError(t, err, "expected U8 with 3 rows, got F32 with 3")
		_, _, err = c.Update(wide, good)
		require.EqualError(t, err, "expected U8 with 3 rows, got F32 with 3")
	}
}

// A cache has one storage for each of the largest plan that it ran, as large as the
// largest needs, and updates of kinds that it has done before take no more memory.
func TestStoragesOfACache(t *testing.T) {
	s := impls.Shape{Batch: 1, Heads: 2, Window: 3, Dim: 2, DType: impls.BF16}
	c := newCache(t, "shift-index/eager/sim", s)
	m := c.rows.(*memory)
	most := 0
	for _, q := range []int{5, 1, 1, 5, 1} { // the long ones have smaller plans
		x := impls.NewTensor(s, q)
		_, _, err := c.Update(x, x)
		require.NoError(t, err)
		most = max(most, len(c.LastPlan().Rows))
		require.Len(t, m.mem, most, "the cache, the chunk and the temporaries")
		for i, rows := range c.LastPlan().Rows[2:] {
			require.GreaterOrEqual(t, len(m.mem[2+i]), rows*s.Lanes()*s.RowBytes())
		}
	}
	require.Greater(t, most, 3)
	if inplace.RaceEnabled {
		return // the race detector allocates
	}
	one := impls.NewTensor(s, 1)
	part := impls.NewTensor(s, 2).Slice(1, 2) // has to be copied
	require.Zero(t, testing.AllocsPerRun(20, func() {
		for _, x := range []impls.Tensor{one, part} {
			if _, _, err := c.Update(x, x); err != nil {
				t.Error(err)
			}
		}
	}))
}
