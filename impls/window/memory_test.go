package window

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// engineOf has the programs of a target for a shape of one-byte cells.
func engineOf(t *testing.T, target string, lanes, window int) *Engine {
	t.Helper()
	parsed, err := ParseTarget(target)
	require.NoError(t, err)
	e, err := NewEngine(parsed, impls.Shape{Batch: 1, Heads: lanes, Window: window, Dim: 1, DType: impls.U8}, 4)
	require.NoError(t, err)
	return e
}

// A cache that becomes one of another shape and target has that one's rows, all empty, in the
// memory that it has if that is enough, and no more of it is in reach.
func TestRecycleForAnotherShape(t *testing.T) {
	large, small, larger := engineOf(t, "cat/drop-war/sim", 4, 6), engineOf(t, "roll/fused/sim", 2, 3), engineOf(t, "reset-moves/fused/sim", 4, 7)
	c := large.NewCache(&inplace.Sim{})
	fill := func() {
		x := impls.NewTensor(c.Shape, c.Shape.Window)
		for i := range x.Data {
			x.Data[i] = byte(i + 1)
		}
		_, _, err := c.Update(x, x)
		require.NoError(t, err)
		require.NoError(t, c.Snapshot(1))
	}
	fill()
	before, _ := c.Stored()
	moved := false
	for _, e := range []*Engine{small, large, larger, small} {
		c.Recycle(e)
		require.Equal(t, e.Shape, c.Shape)
		require.Zero(t, c.Len())
		require.Error(t, c.Restore(1))
		keys, values := c.Stored()
		for _, x := range []impls.Tensor{keys, values} {
			require.Equal(t, make([]byte, e.Shape.Lanes()*e.Shape.Window), x.Data)
			require.Equal(t, len(x.Data), cap(x.Data))
			require.Equal(t, e.Shape.Window, x.Rows)
		}
		if e != larger && !moved {
			require.Same(t, unsafe.SliceData(before.Data), unsafe.SliceData(keys.Data))
		}
		moved = moved || e == larger
		require.Equal(t, e == larger, c.rows.(*memory).captured != nil)
		fill()
	}
}

// Temporaries are shared by programs, as large as the largest asks for; what was left there
// is not seen under a known-bad lowering.
func TestTemporaries(t *testing.T) {
	bad, sound := engineOf(t, "shift-index/drop-war/sim", 2, 3), engineOf(t, "shift-index/fused/sim", 2, 5)
	c := bad.NewCache(&inplace.Sim{})
	m := c.rows.(*memory)
	one := func(e *Engine) {
		x := impls.NewTensor(e.Shape, 1)
		x.Data[0], x.Data[1] = 1, 2
		_, _, err := c.Update(x, x)
		require.NoError(t, err)
	}
	one(bad)
	s := c.last
	require.Equal(t, []int{3, 1, 3}, s.lowered.Rows()[:3])
	require.Equal(t, len(s.lowered.Rows()), s.storages)
	require.Equal(t, 3, s.most)
	require.Equal(t, 2*3, m.temporary)
	require.Len(t, m.mem, s.storages)
	dirty := m.mem[2]
	require.NotEqual(t, make([]byte, 6), dirty)
	one(bad)
	require.Same(t, &dirty[0], &m.mem[2][0], "as large as it was")
	c.Recycle(bad)
	require.Equal(t, make([]byte, 6), dirty)

	c.Recycle(sound)
	one(sound)
	require.Equal(t, 2*5, m.temporary)
	for i := 2; i < len(m.mem); i++ {
		require.Len(t, m.mem[i], 2*5)
	}
	larger := m.mem[2]
	c.Recycle(bad)
	one(bad)
	require.Same(t, &larger[0], &m.mem[2][0], "larger than it need be")
}

// In ascending order sim runs a program in rows, and compiles none; host, and sim in an order
// that is asked for, run it kernel by kernel, keys before values.
func TestWhatRunsAStep(t *testing.T) {
	for _, device := range []inplace.Device{&inplace.Sim{}, &inplace.Host{}} {
		for _, ordered := range []bool{false, true} {
			e := engineOf(t, "cat/fused/sim", 1, 3)
			c := e.NewCache(device)
			var asked [][3]int
			if ordered {
				c.Order = func(tensor, kernel, blocks int) []int32 {
					asked = append(asked, [3]int{tensor, kernel, blocks})
					return inplace.Schedule{Kind: inplace.Descending}.Order(blocks)
				}
			}
			appendOf(t, c, 1, 2, 3)
			asked = nil
			appendOf(t, c, 4)
			requireStored(t, c, 2, 3, 4)
			_, sim := device.(*inplace.Sim)
			require.Equal(t, sim && !ordered, len(e.plans) == 0)
			if !ordered {
				continue
			}
			var want [][3]int
			for tensor := range 2 {
				for i, k := range c.LastPlan().Kernels {
					want = append(want, [3]int{tensor, i, k.Blocks()})
				}
			}
			require.Equal(t, want, asked)
		}
	}
	// A racy step in an order that shows it.
	e := engineOf(t, "cat/drop-war/sim", 1, 3)
	e, err := NewEngine(e.Target, e.Shape, 1)
	require.NoError(t, err)
	c := e.NewCache(&inplace.Sim{})
	c.Order = func(_, _, blocks int) []int32 { return inplace.Schedule{Kind: inplace.Descending}.Order(blocks) }
	appendOf(t, c, 1, 2, 3)
	appendOf(t, c, 4)
	requireStored(t, c, 4, 4, 4)
}

// The memory of a caller's chunk is the caller's, whatever the cache becomes next.
func TestRecycleLeavesChunks(t *testing.T) {
	bad := engineOf(t, "cat/drop-war/sim", 1, 2)
	c := bad.NewCache(&inplace.Sim{})
	x := impls.NewTensor(c.Shape, 1)
	x.Data[0] = 7
	_, _, err := c.Update(x, x)
	require.NoError(t, err)
	c.Recycle(bad)
	require.Equal(t, []byte{7}, x.Data)
}

// Room for more leaves what was written.
func TestTemporariesGrow(t *testing.T) {
	m := newMemory(engineOf(t, "cat/drop-war/sim", 1, 2), &inplace.Sim{})
	m.temporaries(&step{storages: 3, most: 2})
	copy(m.mem[2], []byte{1, 2})
	m.temporaries(&step{storages: 4, most: 3})
	require.Equal(t, [][]byte{nil, nil, {1, 2, 0}, {0, 0, 0}}, m.mem)
}

// Programs are of one window, and blocks have cells.
func TestEnginesOfPrograms(t *testing.T) {
	p, err := NewPrograms(Target{Update: "roll", Lowering: inplace.Fused, Device: "sim"}, 3, 1)
	require.NoError(t, err)
	s := impls.Shape{Batch: 1, Heads: 1, Window: 3, Dim: 1, DType: impls.U8}
	_, err = p.Engine(s, 8)
	require.NoError(t, err)
	_, err = p.Engine(s, 0)
	require.ErrorContains(t, err, "block 0")
	s.Window = 4
	_, err = p.Engine(s, 8)
	require.ErrorContains(t, err, "window 4: the programs are for one of 3")
}

// Slices overlap where they have a byte in common; neighbours in one array have none.
func TestOverlaps(t *testing.T) {
	of := make([]byte, 8)
	for name, x := range map[string]struct {
		a, b []byte
		want bool
	}{
		"the same":   {of, of, true},
		"inside":     {of[2:4], of, true},
		"one byte":   {of[:5], of[4:], true},
		"neighbours": {of[:4], of[4:], false},
		"apart":      {of[:2], of[5:], false},
		"empty":      {of[4:4], of, false},
		"others":     {of, make([]byte, 8), false},
	} {
		require.Equal(t, x.want, overlaps(x.a, x.b), name)
		require.Equal(t, x.want, overlaps(x.b, x.a), name)
	}
}
