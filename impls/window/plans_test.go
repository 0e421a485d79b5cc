package window

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

func newCache(t *testing.T, target string, s impls.Shape) *WindowCache {
	t.Helper()
	parsed, err := ParseTarget(target)
	require.NoError(t, err)
	c, err := New(parsed, s, 4)
	require.NoError(t, err)
	return c
}

// chunk is rows of one byte for one lane.
func chunk(rows ...byte) impls.Tensor {
	x := impls.NewTensor(impls.Shape{Batch: 1, Heads: 1, Window: 1, Dim: 1, DType: impls.U8}, len(rows))
	copy(x.Data, rows)
	return x
}

// The updates as written, at the very moment when the window is full: what they store, or
// the error that they raise.
func TestAsWrittenAtAFullWindow(t *testing.T) {
	for _, x := range []struct {
		update string
		window int
		then   []byte
		want   []byte
		err    string
	}{
		{"cat", 2, []byte{3}, []byte{2, 3}, ""},
		{"cat", 2, []byte{}, []byte{2, 2}, ""}, // one row left of two, broadcast
		{"cat", 2, []byte{3, 4}, nil, "the size of tensor a (2) must match the size of tensor b (3)"},
		{"cat", 2, []byte{3, 4, 5}, []byte{4, 5}, ""},
		{"roll", 2, []byte{3}, []byte{2, 3}, ""},
		{"roll", 2, []byte{}, nil, "must match the existing size (0)"},
		{"roll", 2, []byte{3, 4}, nil, "must match the existing size (2)"},
		{"shift-index", 2, []byte{3}, []byte{2, 3}, ""},
		{"shift-index", 2, []byte{}, nil, "out of bounds"},
		// One row before it is full.
		{"cat", 3, []byte{3}, []byte{1, 2, 3}, ""},
		{"cat", 3, []byte{}, []byte{1, 2, 0}, ""},
		{"cat", 3, []byte{3, 4}, nil, "index 3 is out of bounds"},
		{"roll", 3, []byte{3}, []byte{1, 2, 3}, ""},
		{"roll", 3, []byte{}, []byte{1, 2, 0}, ""},
	} {
		c := newCache(t, x.update+"-as-written/fused/sim", impls.Shape{Batch: 1, Heads: 1, Window: x.window, Dim: 1, DType: impls.U8})
		_, _, err := c.Update(chunk(1, 2), chunk(1, 2))
		require.NoError(t, err)
		_, _, err = c.Update(chunk(x.then...), chunk(x.then...))
		if x.err != "" {
			require.ErrorContains(t, err, x.err, "%+v", x)
			continue
		}
		require.NoError(t, err, "%+v", x)
		k, v := c.Stored()
		require.Equal(t, x.want, k.Data, "%+v", x)
		require.Equal(t, x.want, v.Data)
	}
}

// A chunk of as many rows as the window is written as any that fits, in the update's own
// way; one of more is its last rows.
func TestPlansOfLongChunks(t *testing.T) {
	const w = 3
	s := impls.Shape{Batch: 1, Heads: 1, Window: w, Dim: 1, DType: impls.U8}
	for _, update := range []string{"shift-index", "cat", "roll"} {
		target, err := ParseTarget(update + "/eager/sim")
		require.NoError(t, err)
		e, err := NewEngine(target, s, 1)
		require.NoError(t, err)
		plan := func(n, q int, full bool) *inplace.Plan { return e.plan(e.programs.of(n, q, full)) }
		of := func(q int, stmts []inplace.Stmt) *inplace.Plan {
			return inplace.Compile(inplace.Program{Buffers: []inplace.Buffer{{Name: cacheBuffer, Rows: w}, {Name: ChunkBuffer, Rows: q}}, Stmts: stmts}, inplace.Eager, s, 1)
		}
		require.Equal(t, of(w, e.update.step(w, 0, w)), plan(0, w, false), update)
		require.Equal(t, of(w+1, keepLast(w, w+1)), plan(0, w+1, false), update)
		require.Same(t, plan(0, w+1, false), plan(2, w+1, true), "whatever was there before")
	}
}

func TestDenseChunks(t *testing.T) {
	s := impls.Shape{Batch: 2, Heads: 3, Window: 4, Dim: 2, DType: impls.BF16}
	for _, layout := range []impls.Layout{impls.HeadsFirst, impls.TokensFirst} {
		for _, other := range []impls.Layout{impls.HeadsFirst, impls.TokensFirst} {
			s.Layout = other
			x := impls.NewTensor(s, 3)
			require.Equal(t, layout == other, isDense(&x, layout))
			part := x.Slice(0, 2)
			require.Equal(t, layout == other && layout == impls.TokensFirst, isDense(&part, layout), "of heads first rows are left out in each lane")
		}
	}
	s.Batch, s.Heads, s.Layout = 1, 1, impls.HeadsFirst
	one := impls.NewTensor(s, 3).Slice(1, 3)
	require.True(t, isDense(&one, impls.HeadsFirst), "one lane has no next")
	one.RowStride *= 2
	require.False(t, isDense(&one, impls.HeadsFirst))
	require.False(t, isDense(&one, impls.TokensFirst))
}

// A chunk is handed to a plan as it is, but for one that is laid out otherwise or lies in
// the cache's own memory.
func TestChunksAreNotCopied(t *testing.T) {
	s := impls.Shape{Batch: 1, Heads: 2, Window: 4, Dim: 2, DType: impls.BF16}
	m := memory{shape: s}
	own := impls.NewTensor(s, 4)
	m.bufs[1] = own.Data
	x := impls.NewTensor(s, 3)
	for i := range x.Data {
		x.Data[i] = byte(i)
	}
	require.Same(t, &x.Data[0], &m.dense(&x, 0)[0])
	require.Len(t, m.dense(&x, 0), len(x.Data))
	part := x.Slice(0, 2)
	got := m.dense(&part, 0)
	require.NotSame(t, &x.Data[0], &got[0])
	require.Equal(t, slices.Concat(x.Data[:8], x.Data[12:20]), got)
	require.NotSame(t, &own.Data[0], &m.dense(&own, 1)[0], "rows that are read before they are written")
}

func TestVariantsOfTargets(t *testing.T) {
	target, err := ParseTarget("program/worker/inductor-2.5")
	require.NoError(t, err)
	require.Equal(t, Target{Update: "program", Device: Worker, Variant: "inductor-2.5"}, target)
	require.Equal(t, "program/worker/inductor-2.5", target.String())
	for _, bad := range []string{"", "a b", "ä", strings.Repeat("x", maxName+1)} {
		_, err := ParseTarget("program/worker/" + bad)
		require.ErrorContains(t, err, "want the name of a variant", bad)
		require.Error(t, CheckVariant(bad))
	}
	require.NoError(t, CheckVariant(strings.Repeat("x", maxName)))
	plain := target
	plain.Variant = ""
	require.True(t, target.Is(plain) && plain.Is(target))
	require.False(t, target.Is(WorkerTarget("other")))
}

// A chunk with one entry, head or element is repeated along that axis.
func TestBroadcast(t *testing.T) {
	s := impls.Shape{Batch: 2, Heads: 3, Window: 4, Dim: 4, DType: impls.BF16}
	c := newCache(t, "cat-as-written/fused/sim", s)
	for _, from := range []impls.Shape{
		{Batch: 1, Heads: 1, Dim: 1}, {Batch: 2, Heads: 1, Dim: 4}, {Batch: 1, Heads: 3, Dim: 4}, {Batch: 2, Heads: 3, Dim: 1}, {Batch: 2, Heads: 3, Dim: 4},
	} {
		from.DType = impls.BF16
		x := impls.NewTensor(from, 2)
		for i := range x.Data {
			x.Data[i] = byte(i + 1)
		}
		out := c.broadcast(x)
		require.Equal(t, []int{2, 3, 2, 4}, []int{out.Batch, out.Heads, out.Rows, out.Dim})
		for b := range 2 {
			for h := range 3 {
				for r := range 2 {
					row := x.Row(b%from.Batch*from.Heads+h%from.Heads, r)
					for e := range 4 {
						require.Equal(t, row[e%from.Dim*2:e%from.Dim*2+2], out.Row(b*3+h, r)[2*e:2*e+2], "%+v", from)
					}
				}
			}
		}
	}
}

// A recorded cache has one storage for each temporary, as large as the largest plan's,
// however many updates there are.
func TestRecordedStorages(t *testing.T) {
	s := impls.Shape{Batch: 1, Heads: 2, Window: 3, Dim: 1, DType: impls.U8}
	target, err := ParseTarget("shift-index/eager/sim")
	require.NoError(t, err)
	e, err := NewEngine(target, s, 1)
	require.NoError(t, err)
	c, r := e.Record()
	most := 0
	for _, q := range []int{2, 1, 1, 1, 5, 1} {
		x := impls.Tensor{Batch: 1, Heads: 2, Rows: q, Dim: 1, DType: impls.U8}
		_, _, err := c.Update(x, x)
		require.NoError(t, err)
		most = max(most, len(c.LastPlan().Rows))
		require.Len(t, r.Trace.Sizes, 4+most-2, "two tensors, their chunks and the temporaries")
		for i, rows := range c.LastPlan().Rows[2:] {
			require.GreaterOrEqual(t, r.Trace.Sizes[r.temps[i]], rows)
		}
	}
}

// The programs of decodes and of first chunks are looked up by number, the others in a map;
// each is made once.
func TestProgramsAreMadeOnce(t *testing.T) {
	const w = 3
	p, err := NewPrograms(Target{Update: "roll", Lowering: inplace.DropWAR, Device: "sim"}, w, 1)
	require.NoError(t, err)
	for n := range w + 3 { // decodes into a window under way, and into a full one
		s := p.of(n, 1, n >= w)
		require.Same(t, s, p.of(n, 1, n >= w))
		require.Same(t, s, p.steps[min(n, w)])
	}
	for q := 2; q < maxFirsts; q++ {
		s := p.of(0, q, false)
		require.Same(t, s, p.of(0, q, q > w))
		require.Same(t, s, p.firsts[q])
	}
	require.Empty(t, p.others)
	s := p.of(0, maxFirsts, true)
	require.Same(t, s, p.of(2, maxFirsts, true))
	require.Len(t, p.others, 1)
	require.Len(t, p.firsts, maxFirsts)
	require.NotSame(t, p.of(1, 2, false), p.of(1, 2, true))
	require.Len(t, p.others, 3)
}

// What an update as written does with a chunk of as many rows as the window is its own step,
// not that of a longer chunk.
func TestWrittenProgramOfAWholeWindow(t *testing.T) {
	for _, name := range []string{"shift-index", "cat", "roll"} {
		u, ok := LookupUpdate(name + "-as-written")
		require.True(t, ok)
		require.Equal(t, u.step(3, 0, 3), u.writtenProgram(3, 0, 3, false), name)
		require.Equal(t, keepLast(3, 4), u.writtenProgram(3, 0, 4, false), name)
		require.NotEqual(t, keepLast(3, 3), u.step(3, 0, 3), name)
	}
}
