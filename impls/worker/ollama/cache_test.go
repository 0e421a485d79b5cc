package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/slidefuzz/slidefuzz/impls"
)

// history is the tokens of each entry, of which a query must see the last three: the
// oracle of this test.
type history [][]uint32

const window = 3

// check compares what each query of a chunk sees with the tokens of its window.
// The chunk's tokens are in h already.
func (h history) check(c *cache, keys impls.Tensor, lengths []int, beyond int) error {
	for e, tokens := range h {
		for i := range lengths[e] {
			p := len(tokens) - lengths[e] + i
			q := slices.Max(lengths) - lengths[e] + i
			var got []uint32
			for r, sees := range c.Visible()[e][q] {
				if sees {
					got = append(got, binary.LittleEndian.Uint32(keys.Row(e, r)))
				}
			}
			slices.Sort(got) // tokens grow with their positions
			want := tokens[max(0, p-window+1-beyond) : p+1]
			if !slices.Equal(got, want) {
				return fmt.Errorf("the query at position %d of entry %d sees tokens %v, want %v", p, e, got, want)
			}
		}
	}
	return nil
}

// append hands over lengths[e] new tokens for each entry.
func (h history) append(c *cache, serial *uint32, lengths []int) (impls.Tensor, error) {
	x := impls.NewTensor(impls.Shape{Batch: len(h), Heads: 1, Window: window, Dim: 1, DType: impls.F32}, slices.Max(lengths))
	for e, n := range lengths {
		for i := range n {
			*serial++
			binary.LittleEndian.PutUint32(x.Row(e, x.Rows-n+i), *serial)
			h[e] = append(slices.Clip(h[e]), *serial)
		}
	}
	keys, _, err := c.UpdateEach(x, x, lengths)
	return keys, err
}

// Random sequences of one cache: each query sees its own tokens, whatever became
// of the others.
func TestSequences(t *testing.T) {
	for _, o := range []options{
		{less: 1, config: "plain", context: 64, batch: 16, parallel: 4, snapshots: 1},
		{less: 1, config: "flash", context: 64, batch: 2, parallel: 4, snapshots: 1},
		{less: 1, config: "permuted", context: 64, batch: 3, parallel: 4, snapshots: 1, hybrid: true},
		{less: 1, config: "plain", context: 64, batch: 16, parallel: 4, snapshots: 1, keep: 2},
		{config: "plain", context: 64, batch: 16, parallel: 4, snapshots: 1},
	} {
		t.Run(fmt.Sprintf("%+v", o), func(t *testing.T) {
			counts := map[string]int{}
			for seed := range uint64(200) {
				sequence(t, o, rand.New(rand.NewPCG(seed, 0)), counts)
			}
			for _, op := range []string{"append", "select", "crop", "refused crop", "restore"} {
				if counts[op] == 0 {
					t.Errorf("no %s in all sequences: %v", op, counts)
				}
			}
		})
	}
}

func sequence(t *testing.T, o options, r *rand.Rand, counts map[string]int) {
	t.Helper()
	made, err := newCache(o, impls.Shape{Batch: 2, Heads: 1, Window: window, Dim: 1, DType: impls.F32})
	if err != nil {
		t.Fatal(err)
	}
	c := made.(*cache)
	h, saved := history{nil, nil}, history(nil)
	var serial uint32
	for range 12 {
		switch op := r.IntN(8); {
		case op < 4:
			lengths := make([]int, len(h))
			for e := range lengths {
				lengths[e] = r.IntN(5)
			}
			if slices.Max(lengths) == 0 {
				continue
			}
			keys, err := h.append(c, &serial, lengths)
			if err == nil {
				// The window that the models pass shows one token more.
				err = h.check(c, keys, lengths, 1-o.less)
			}
			if err != nil {
				t.Fatal(err)
			}
			counts["append"]++
		case op == 4:
			entries, next := make([]int, 1+r.IntN(4)), history{}
			for i := range entries {
				entries[i] = r.IntN(len(h))
				next = append(next, h[entries[i]])
			}
			if err := c.Select(entries); err != nil {
				t.Fatal(err)
			}
			h = next
			counts["select"]++
		case op == 5:
			lengths := make([]int, len(h))
			for e := range lengths {
				lengths[e] = r.IntN(len(h[e]) + 2)
			}
			if c.CropEach(lengths) != nil {
				counts["refused crop"]++
				continue
			}
			for e, n := range lengths {
				h[e] = h[e][:min(n, len(h[e]))]
			}
			counts["crop"]++
		case op == 6:
			if err := c.Snapshot(0); err != nil {
				t.Fatal(err)
			}
			saved = slices.Clone(h)
		case saved != nil:
			if err := c.Restore(0); err != nil {
				t.Fatal(err)
			}
			h = slices.Clone(saved)
			counts["restore"]++
		}
	}
}

// What is refused leaves the sequences as they were.
func TestRefused(t *testing.T) {
	o := options{less: 1, config: "plain", context: 64, batch: 16, parallel: 2}
	made, err := newCache(o, impls.Shape{Batch: 1, Heads: 1, Window: window, Dim: 1, DType: impls.F32})
	if err != nil {
		t.Fatal(err)
	}
	c, h, serial := made.(*cache), history{nil}, uint32(0)
	step := func(n int) {
		t.Helper()
		keys, err := h.append(c, &serial, []int{n})
		if err == nil {
			err = h.check(c, keys, []int{n}, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	step(2)
	for _, entries := range [][]int{{1}, {0, 0, 0}} {
		if err := c.Select(entries); err == nil {
			t.Errorf("select %v was taken", entries)
		}
		step(1)
	}
	step(6)
	if err := c.Crop(1); err == nil {
		t.Error("a crop to tokens that were evicted was taken")
	}
	step(1)
	if _, err := newCache(o, impls.Shape{Batch: 1, Heads: 1, Window: 1, Dim: 1, DType: impls.F32}); err == nil {
		t.Error("a window of 1 was taken, of which --size window-1 leaves none")
	}
}
