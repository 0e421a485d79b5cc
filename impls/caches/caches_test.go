package caches

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
)

// dump is the whole state of a cache as text, pointers followed.
func dump(c impls.Cache) string {
	var b bytes.Buffer
	var walk func(v reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				walk(v.Elem())
			}
		case reflect.Struct:
			for i := range v.NumField() {
				b.WriteString(" " + v.Type().Field(i).Name + ":")
				walk(v.Field(i))
			}
		case reflect.Slice, reflect.Array:
			if v.Type().Elem().Kind() == reflect.Uint8 {
				b.Write(v.Bytes())
				b.WriteByte(',')
				return
			}
			b.WriteByte('[')
			for i := range v.Len() {
				b.WriteByte(' ')
				walk(v.Index(i))
			}
			b.WriteByte(']')
		case reflect.Map:
			if v.Type().Key().Kind() != reflect.Int {
				fmt.Fprintf(&b, "%v", v)
				return
			}
			for id := range 4 { // snapshots have few numbers here
				if x := v.MapIndex(reflect.ValueOf(id)); x.IsValid() {
					fmt.Fprintf(&b, " %d=", id)
					walk(x)
				}
			}
		case reflect.Int:
			b.WriteString(strconv.FormatInt(v.Int(), 10))
		default:
			fmt.Fprintf(&b, "%v", v)
		}
	}
	walk(reflect.ValueOf(c))
	return b.String()
}

// randomShape is a small shape that the cache takes.
func randomShape(r *rand.Rand, info Info) impls.Shape {
	return impls.Shape{
		Batch: 1 + r.IntN(4), Heads: 1 + r.IntN(2), Window: 1 + r.IntN(6), Dim: info.DimMultiple * (1 + r.IntN(3)),
		DType: impls.DType(r.IntN(5)), Layout: impls.Layout(r.IntN(2)),
	}
}

// randomOp is an operation that the cache may be asked for, also one to be refused.
func randomOp(r *rand.Rand, c *rig) op {
	batch := len(c.tokens)
	longest := len(slices.MaxFunc(c.tokens, func(a, b []token) int { return len(a) - len(b) }))
	list := func(least, below int) []int {
		n := make([]int, batch)
		for b := range n {
			n[b] = least + r.IntN(below-least)
		}
		return n
	}
	for {
		kind := []string{"append", "append", "append", "single", "single", "view", "odd", "each", "each", "reset", "select", "crop", "crop", "crop-each", "snapshot", "restore"}[r.IntN(16)]
		_, selects := c.cache.(impls.Selector)
		_, crops := c.cache.(impls.Cropper)
		_, cropsEach := c.cache.(impls.RaggedCropper)
		_, each := c.cache.(impls.RaggedUpdater)
		_, saves := c.cache.(impls.Snapshotter)
		switch kind {
		case "append", "view":
			return op{kind, []int{r.IntN(2*c.shape.Window + 4)}}
		case "single":
			return op{"append", []int{1}}
		case "odd":
			return op{kind, []int{r.IntN(3)}}
		case "each":
			if n := list(0, c.shape.Window+3); each && batch > 1 {
				switch r.IntN(12) {
				case 0:
					n = append(n, 1)
				case 1:
					n[0], n[1] = -1, 1
				}
				return op{"append", n}
			}
		case "reset":
			if r.IntN(3) == 0 {
				return op{kind, nil}
			}
		case "select":
			n := make([]int, r.IntN(6))
			for i := range n {
				n[i] = r.IntN(batch)
				if r.IntN(30) == 0 {
					n[i] = []int{-1, batch}[r.IntN(2)]
				}
			}
			if selects {
				return op{kind, n}
			}
		case "crop":
			if crops {
				return op{kind, []int{max(-1, longest-r.IntN(c.shape.Window+5)+1)}}
			}
		case "crop-each":
			if cropsEach {
				n := list(max(-1, longest-c.shape.Window-2), longest+2)
				if r.IntN(12) == 0 {
					n = n[1:]
				}
				return op{kind, n}
			}
		case "snapshot", "restore":
			if saves {
				return op{kind, []int{r.IntN(3)}}
			}
		}
	}
}

// sequence does random operations until one goes wrong.
func sequence(info Info, seed uint64) (*rig, []op, error) {
	r := rand.New(rand.NewPCG(seed, 1))
	c, err := newRig(info, randomShape(r, info))
	if err != nil {
		return nil, nil, err
	}
	var ops []op
	for range 30 {
		o := randomOp(r, c)
		ops = append(ops, o)
		if err := c.step(o); err != nil {
			return c, ops, err
		}
	}
	return c, ops, nil
}

// The sound caches agree with a list of tokens, and refuse what their limits say.
func TestSoundCachesAgreeWithALists(t *testing.T) {
	sequences := uint64(3000)
	if testing.Short() {
		sequences = 100
	}
	for _, info := range List() {
		if !info.Sound {
			continue
		}
		t.Run(info.Name, func(t *testing.T) {
			counts := map[string][2]int{}
			for seed := range sequences {
				c, ops, err := sequence(info, seed)
				require.NoError(t, err, "seed %d, %+v, %v", seed, c.shape, ops)
				for kind, n := range c.counts {
					counts[kind] = [2]int{counts[kind][0] + n[0], counts[kind][1] + n[1]}
				}
			}
			t.Logf("taken and refused: %v", counts)
			c, err := New(info.Name, impls.Shape{Batch: 1, Heads: 1, Window: 1, Dim: 8})
			require.NoError(t, err)
			want := map[string]bool{"append": true}
			_, want["select"] = c.(impls.Selector)
			_, want["crop"] = c.(impls.Cropper)
			_, want["crop-each"] = c.(impls.RaggedCropper)
			_, want["snapshot"] = c.(impls.Snapshotter)
			want["restore"] = want["snapshot"]
			for kind, can := range want {
				if can {
					require.Positive(t, counts[kind][0], "%s was never taken", kind)
				}
			}
			require.Positive(t, counts["odd"][1])
		})
	}
}

// A fault differs from the list where its trigger is met and not before, and what it is
// planted in does not.
func TestFaultsShow(t *testing.T) {
	some := func(n ...int) op { return op{"append", n} }
	decode := func(times int) []op { return slices.Repeat([]op{some(1)}, times) }
	shape := impls.Shape{Batch: 2, Heads: 2, Window: 4, Dim: 8, DType: impls.F32}
	triggers := map[string]struct {
		batch int
		ops   []op
	}{
		"ring-wraps-early":            {1, decode(5)},
		"double-ring-one-row-short":   {1, []op{some(4), some(5)}},
		"aligned-copies-16-bytes":     {1, []op{some(1)}},
		"pages-writes-shared":         {1, []op{some(2), {"select", []int{0, 0}}, some(1), some(1)}},
		"pages-padded-batch":          {3, []op{some(2), some(1)}},
		"cells-stale-after-crop":      {1, []op{some(3), {"crop", []int{1}}, some(2)}},
		"cells-stale-after-reset":     {1, []op{some(3), {"reset", nil}, some(2)}},
		"cells-one-mask":              {1, []op{some(2)}},
		"cells-wide-window":           {1, []op{some(4), some(2)}},
		"beams-never-evicts":          {1, decode(4*4 + 1)},
		"beams-values-in-old-order":   {2, []op{some(2), {"select", []int{1, 0}}, some(1)}},
		"beams-misaligned-after-drop": {2, []op{some(3, 1), {"select", []int{1}}, some(1)}},
		"beams-one-rollback":          {2, []op{some(4), {"crop-each", []int{3, 2}}, some(1)}},
		"hybrid-layers-disagree":      {1, []op{some(12), {"crop", []int{6}}, some(1)}},
		"hybrid-windows-in-old-order": {2, []op{some(2), {"select", []int{1, 0}}, some(1)}},
	}
	run := func(t *testing.T, name string, batch int, ops []op) error {
		i := slices.IndexFunc(List(), func(i Info) bool { return i.Name == name })
		s := shape
		s.Batch = batch
		c, err := newRig(List()[i], s)
		require.NoError(t, err)
		for _, o := range ops {
			if err := c.step(o); err != nil {
				return err
			}
		}
		return nil
	}
	for _, info := range List() {
		x, ok := triggers[info.Name]
		if !ok {
			continue
		}
		delete(triggers, info.Name)
		t.Run(info.Name, func(t *testing.T) {
			require.NoError(t, run(t, info.Base, x.batch, x.ops))
			last := len(x.ops) - 1
			require.NoError(t, run(t, info.Name, x.batch, x.ops[:last]), "it shows before the trigger is met")
			err := run(t, info.Name, x.batch, x.ops)
			require.Error(t, err)
			t.Log(err)
		})
	}
	require.Empty(t, triggers, "there are no such faults")
}

// Random operations find each fault too, and none ends in a panic, which would be
// another fault than the one that is planted.
func TestFaultsShowAtRandom(t *testing.T) {
	const most = 3000 // the rarest needs some 300
	for _, info := range List() {
		if info.Sound {
			continue
		}
		t.Run(info.Name, func(t *testing.T) {
			sequences := uint64(0)
			for found := 0; found < 3 && sequences < most; sequences++ {
				if _, _, err := sequence(info, sequences); err != nil {
					found++
				}
			}
			t.Logf("three of %d sequences of 30 operations", sequences)
			require.Less(t, sequences, uint64(most))
		})
	}
}

// The padded batch shows at every batch that is no power of two, and at no other.
func TestPaddedBatch(t *testing.T) {
	i := slices.IndexFunc(List(), func(i Info) bool { return i.Name == "pages-padded-batch" })
	for batch := 1; batch <= 8; batch++ {
		c, err := newRig(List()[i], impls.Shape{Batch: batch, Heads: 1, Window: 2, Dim: 1})
		require.NoError(t, err)
		require.NoError(t, c.step(op{"append", []int{1}}))
		err = c.step(op{"append", []int{1}})
		require.Equal(t, batch == 3 || batch >= 5 && batch <= 7, err != nil, "batch %d: %v", batch, err)
	}
}

// List is a copy, names can be parts of file names, and each can be made.
func TestList(t *testing.T) {
	all := List()
	seen := map[string]bool{}
	for i, info := range all {
		require.Regexp(t, regexp.MustCompile(`^[a-z0-9-]{1,80}$`), info.Name)
		require.False(t, seen[info.Name], info.Name)
		seen[info.Name] = true
		require.NotEmpty(t, info.About)
		require.Equal(t, info.Sound, info.Base == "")
		c, err := New(info.Name, impls.Shape{Batch: 3, Heads: 1, Window: 2, Dim: 8})
		require.NoError(t, err)
		require.NotNil(t, c)
		_, err = New(info.Name, impls.Shape{Batch: 1, Heads: 1, Window: 0, Dim: 8})
		require.Error(t, err)
		for w := range all[i].Without {
			all[i].Without[w] = "changed"
		}
	}
	require.NotContains(t, fmt.Sprint(List()), "changed")
	require.True(t, seen["ring"] && seen["hybrid"])
	_, err := New("no-such", impls.Shape{Batch: 1, Heads: 1, Window: 1, Dim: 1})
	require.ErrorContains(t, err, "no-such")
	for dim := 1; dim <= 24; dim++ {
		_, err := New("aligned", impls.Shape{Batch: 1, Heads: 1, Window: 1, Dim: dim})
		require.Equal(t, dim%8 != 0, err != nil, "dim %d", dim)
	}
}

// Every refusal can be told from other errors.
func TestRefusalsAreTyped(t *testing.T) {
	s := impls.Shape{Batch: 2, Heads: 1, Window: 2, Dim: 8}
	wrong := impls.NewTensor(impls.Shape{Batch: 1, Heads: 1, Window: 1, Dim: 8}, 1)
	for _, info := range List() {
		c, err := New(info.Name, s)
		require.NoError(t, err)
		_, _, err = c.Update(wrong, wrong)
		require.ErrorIs(t, err, impls.ErrRefused, info.Name)
		if x, ok := c.(impls.Selector); ok {
			require.ErrorIs(t, x.Select([]int{2}), impls.ErrRefused, info.Name)
		}
		if x, ok := c.(impls.Cropper); ok {
			require.ErrorIs(t, x.Crop(-1), impls.ErrRefused, info.Name)
		}
		if x, ok := c.(impls.Snapshotter); ok {
			require.ErrorIs(t, x.Restore(7), impls.ErrRefused, info.Name)
		}
	}
}

// Pages that left the window are let go, and forked entries copy a page only to write
// to it.
func TestPagesAreFreedAndShared(t *testing.T) {
	i := slices.IndexFunc(List(), func(i Info) bool { return i.Name == "pages" })
	c, err := newRig(List()[i], impls.Shape{Batch: 2, Heads: 1, Window: 5, Dim: 1})
	require.NoError(t, err)
	for range 100 {
		require.NoError(t, c.step(op{"append", []int{1}}))
		require.NoError(t, c.step(op{"select", []int{1, 1}}))
	}
	table := c.cache.(*Pages).table
	live := 0
	for at, x := range table[0] {
		require.True(t, x == table[1][at], "page %d is not shared", at)
		if x != nil {
			live++
		}
	}
	require.LessOrEqual(t, live, 3, "a window of 5 lies in at most 3 pages")
	require.NoError(t, c.step(op{"append", []int{2}}))
	last := len(table[0]) - 1
	require.False(t, c.cache.(*Pages).table[0][last] == c.cache.(*Pages).table[1][last], "a page that was written to is still shared")
}
