package props_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/caches"
	"github.com/slidefuzz/slidefuzz/props"
)

// The subtests of TestCache.
const (
	oracleTest       = "Oracle"
	keepsNothingTest = "KeepsNothing"
	sameTensorTest   = "SameTensor"
	ownOutputTest    = "OwnOutput"
	limitsTest       = "Limits"
	concurrentTest   = "Concurrent"
)

// anyMessage stands for a message that is not looked at, nor what else fails.
const anyMessage = "*"

// badCache is a cache with a fault: the subtest that is to catch it, and the sentence
// that its author reads there, of the case that is found with the seed of TestBadCaches:
// another one may say the same of other numbers, once other cases are drawn. also lists the subtests that fail besides; all others
// must pass.
type badCache struct {
	name    string
	cache   constructor
	options []props.Option
	subtest string
	message string
	also    []string
}

// update is a list cache with a fault in its Update, where chunks of the right shape
// come.
func update(fault func(c *listCache, keys, values impls.Tensor) (k, v impls.Tensor, err error)) constructor {
	return alter(func(c *listCache, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
		if s := c.shape; keys.Batch != s.Batch || keys.Heads != s.Heads || keys.Dim != s.Dim || keys.DType != s.DType {
			return k, v, errNo
		}
		return fault(c, keys, values)
	})
}

// over is a fault around a sound cache with entries of their own.
func over(fault func(*caches.Beams) impls.Cache) constructor {
	return func(_ *testing.T, s impls.Shape) (impls.Cache, error) {
		c, err := caches.NewBeams(s)
		if err != nil {
			return nil, err
		}
		return fault(c), nil
	}
}

// storesPart refuses a chunk of another dim after it has stored what fits.
func storesPart(c *listCache, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	s := c.shape
	if keys.Batch != s.Batch || keys.Heads != s.Heads || keys.DType != s.DType || keys.Dim == s.Dim {
		return c.Update(keys, values)
	}
	part := [2]impls.Tensor{impls.NewTensor(s, keys.Rows), impls.NewTensor(s, keys.Rows)}
	for t, from := range [...]*impls.Tensor{&keys, &values} {
		for lane := range from.Lanes() {
			for r := range from.Rows {
				copy(part[t].Row(lane, r), from.Row(lane, r))
			}
		}
	}
	if _, _, err := c.Update(part[0], part[1]); err != nil {
		return k, v, err
	}
	return k, v, errNo
}

// tears loses the second half of the newest row that it returns.
func tears(c *listCache, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if k, v, err = c.Update(keys, values); err == nil && k.Rows > 0 {
		half := (k.Dim + 1) / 2 * k.DType.Size()
		for lane := range k.Lanes() {
			clear(k.Row(lane, k.Rows-1)[half:])
		}
	}
	return k, v, err
}

// mixes stores a chunk's keys as its values.
func mixes(c *listCache, keys, _ impls.Tensor) (k, v impls.Tensor, err error) {
	return c.Update(keys, keys)
}

// swapsLanes returns the rows of lane 0 in lane 1, and the other way round.
func swapsLanes(c *listCache, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if k, v, err = c.Update(keys, values); err != nil || k.Lanes() < 2 {
		return k, v, err
	}
	for r := range v.Rows {
		first := slices.Clone(v.Row(0, r))
		copy(v.Row(0, r), v.Row(1, r))
		copy(v.Row(1, r), first)
	}
	return k, v, nil
}

// keepsChunk keeps the caller's own tensors where a chunk fills the window.
func keepsChunk(c *listCache, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	k, v, err = c.Update(keys, values)
	if q, w := keys.Rows, c.shape.Window; err == nil && q >= w {
		c.keys, c.values = keys.Slice(q-w, q), values.Slice(q-w, q)
	}
	return k, v, err
}

// skipsSame takes values for keys that were stored already where both are one tensor.
func skipsSame(c *listCache, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if keys.Rows > 0 && &keys.Data[0] == &values.Data[0] {
		values = impls.NewTensor(c.shape, values.Rows)
	}
	return c.Update(keys, values)
}

// writesFirst is a ring that writes the keys of a chunk before it reads the values.
type writesFirst struct{ *ring }

func (c writesFirst) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	k, v, err = c.ring.Update(keys, keys)
	if err != nil {
		return k, v, err
	}
	for lane := range values.Lanes() {
		for r := range values.Rows {
			copy(v.Row(lane, (c.n-values.Rows+r)%c.rows), values.Row(lane, r))
		}
	}
	return k, v, nil
}

func newWritesFirst(t *testing.T, s impls.Shape) (impls.Cache, error) {
	c, err := newRing(1, crosses)(t, s)
	if err != nil {
		return nil, err
	}
	return writesFirst{c.(*ring)}, nil
}

// orderKept selects the right entries, in the order that they had.
type orderKept struct{ *caches.Beams }

func (c orderKept) Select(entries []int) error {
	return c.Beams.Select(slices.Sorted(slices.Values(entries)))
}

// sharesMemory has one memory for entries that a select has repeated: what comes to
// the last of them is seen in all.
type sharesMemory struct {
	*caches.Beams
	of []int // by entry, the last one that has its memory; nil if each has its own
}

func (c *sharesMemory) Reset() {
	c.Beams.Reset()
	c.of = nil
}

func (c *sharesMemory) Restore(id int) error {
	c.of = nil
	return c.Beams.Restore(id)
}

func (c *sharesMemory) Select(entries []int) error {
	if err := c.Beams.Select(entries); err != nil {
		return err
	}
	c.of = make([]int, len(entries))
	for i, b := range entries {
		for other := range entries {
			if entries[other] == b {
				c.of[i] = other
			}
		}
	}
	return nil
}

func (c *sharesMemory) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	if keys.Batch == len(c.of) {
		own := keys
		keys = keys.Clone(impls.Shape{})
		for lane := range keys.Lanes() {
			for r := range keys.Rows {
				copy(keys.Row(lane, r), own.Row(c.of[lane/keys.Heads]*keys.Heads+lane%keys.Heads, r))
			}
		}
	}
	return c.Beams.Update(keys, values)
}

// staysAtRestore takes snapshots, and a restore leaves it as it is.
type staysAtRestore struct {
	*listCache
	saved map[int]bool
}

func (c staysAtRestore) Snapshot(id int) error {
	c.saved[id] = true
	return nil
}

func (c staysAtRestore) Restore(id int) error {
	if !c.saved[id] {
		return errNo
	}
	return nil
}

// storesPadding takes the first rows of a chunk for each entry, and not the last.
type storesPadding struct{ *caches.Beams }

func (c storesPadding) UpdateEach(keys, values impls.Tensor, lengths []int) (k, v impls.Tensor, err error) {
	if keys.Batch != len(lengths) || values.Batch != len(lengths) {
		return k, v, errNo
	}
	moved := [2]impls.Tensor{keys.Clone(impls.Shape{}), values.Clone(impls.Shape{})}
	for t, from := range [...]*impls.Tensor{&keys, &values} {
		for lane := range from.Lanes() {
			length := lengths[lane/from.Heads]
			for r := range length {
				copy(moved[t].Row(lane, from.Rows-length+r), from.Row(lane, r))
			}
		}
	}
	return c.Beams.UpdateEach(moved[0], moved[1], lengths)
}

// lies says another order of its positions than its rows have.
type lies struct{ *caches.Beams }

func (c lies) Positions() [][]int {
	all := slices.Clone(c.Beams.Positions())
	for b, list := range all {
		all[b] = slices.Clone(list)
		slices.Reverse(all[b])
	}
	return all
}

// twice says of its last row that it holds what the one before holds.
type twice struct{ *caches.Beams }

func (c twice) Positions() [][]int {
	all := slices.Clone(c.Beams.Positions())
	for b, list := range all {
		if n := len(list); n > 1 {
			all[b] = append(slices.Clone(list[:n-1]), list[n-2])
		}
	}
	return all
}

// masked is a sound cache that says which rows each query attends to, whatever a fault
// makes of it.
type masked struct {
	*caches.Beams
	window int
	q      int
	// fault says whether the query at position p attends to a row of a position.
	fault func(window, p, position int, sees bool) bool
}

func newMasked(fault func(window, p, position int, sees bool) bool) constructor {
	return func(_ *testing.T, s impls.Shape) (impls.Cache, error) {
		c, err := caches.NewBeams(s)
		return &masked{Beams: c, window: s.Window, fault: fault}, err
	}
}

func (c *masked) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	c.q = keys.Rows
	return c.Beams.Update(keys, values)
}

func (c *masked) UpdateEach(keys, values impls.Tensor, lengths []int) (k, v impls.Tensor, err error) {
	c.q = keys.Rows
	return c.Beams.UpdateEach(keys, values, lengths)
}

func (c *masked) Visible() [][][]bool {
	var all [][][]bool
	for _, positions := range c.Positions() {
		n := 0
		for _, p := range positions {
			n = max(n, p+1)
		}
		queries := make([][]bool, c.q)
		for i := range queries {
			p := n - c.q + i
			for _, position := range positions {
				sees := position >= 0 && position > p-c.window && position <= p
				queries[i] = append(queries[i], c.fault(c.window, p, position, sees))
			}
		}
		all = append(all, queries)
	}
	return all
}

// attendsTwice returns its newest row a second time, and attends to both.
type attendsTwice struct{ *masked }

func (c attendsTwice) again(k, v impls.Tensor, err error) (impls.Tensor, impls.Tensor, error) {
	if err != nil || k.Rows == 0 {
		return k, v, err
	}
	s := impls.Shape{Batch: k.Batch, Heads: k.Heads, Dim: k.Dim, DType: k.DType}
	all := [2]impls.Tensor{impls.NewTensor(s, k.Rows+1), impls.NewTensor(s, k.Rows+1)}
	for t, from := range [...]*impls.Tensor{&k, &v} {
		for lane := range from.Lanes() {
			for r := range from.Rows + 1 {
				copy(all[t].Row(lane, r), from.Row(lane, min(r, from.Rows-1)))
			}
		}
	}
	return all[0], all[1], nil
}

func (c attendsTwice) Update(keys, values impls.Tensor) (k, v impls.Tensor, err error) {
	return c.again(c.masked.Update(keys, values))
}

func (c attendsTwice) UpdateEach(keys, values impls.Tensor, lengths []int) (k, v impls.Tensor, err error) {
	return c.again(c.masked.UpdateEach(keys, values, lengths))
}

func (c attendsTwice) Positions() [][]int {
	all := slices.Clone(c.masked.Positions())
	for b, list := range all {
		if len(list) > 0 {
			all[b] = append(slices.Clone(list), list[len(list)-1])
		}
	}
	return all
}

func (c attendsTwice) Visible() [][][]bool {
	all := c.masked.Visible()
	for _, queries := range all {
		for i, mask := range queries {
			if len(mask) > 0 {
				queries[i] = append(mask, mask[len(mask)-1])
			}
		}
	}
	return all
}

func newAttendsTwice(t *testing.T, s impls.Shape) (impls.Cache, error) {
	c, err := newMasked(func(_, _, _ int, sees bool) bool { return sees })(t, s)
	if err != nil {
		return nil, err
	}
	return attendsTwice{c.(*masked)}, nil
}

// everyThird is wrong in every third cache that is made.
func everyThird() constructor {
	made := 0
	return func(t *testing.T, s impls.Shape) (impls.Cache, error) {
		if made++; made%3 != 0 {
			return newListCache(t, s)
		}
		return wrongOn(func(impls.Shape) bool { return true })(t, s)
	}
}

// sharesLength makes caches that have one variable in common, atomic so that it is no
// data race: the rows of the chunk that came last to any of them.
func sharesLength(_ *testing.T, s impls.Shape) (impls.Cache, error) {
	return update(func(c *listCache, keys, values impls.Tensor) (k, v impls.Tensor, err error) {
		lastRows.Store(int64(keys.Rows))
		runtime.Gosched()
		if k, v, err = c.Update(keys, values); err == nil && lastRows.Load() != int64(keys.Rows) {
			clear(k.Data)
		}
		return k, v, err
	})(nil, s)
}

var lastRows atomic.Int64

// badCaches is the caches that TestBadCaches tests.
func badCaches() []badCache {
	chunks := []props.Option{props.Chunks()}
	with := func(o ...props.Option) []props.Option { return append(o, props.Chunks()) }
	all := []badCache{
		{
			"two caches share a length", sharesLength, chunks,
			concurrentTest, "", nil, // which rows are wrong is up to the scheduler
		},
		{
			"rows stay after a crop", wrap(func(c *listCache) impls.Cache { return neverCropped{c} }), chunks,
			oracleTest, "op 3 (append), keys returned: lane 0 row 0 holds token 0, which the crop at op 2 cut off, expected nothing (zeros); wrong in 20 of 20 runs, 1 cell", nil,
		},
		{
			"rows stay after a reset", wrap(func(c *listCache) impls.Cache { return neverReset{c} }), chunks,
			oracleTest, "op 3 (append), keys returned: lane 0 row 0 holds token 0 of before the reset at op 2, expected nothing (zeros); wrong in 20 of 20 runs, 1 cell", nil,
		},
		{
			"rows stay after a restore", wrap(func(c *listCache) impls.Cache { return staysAtRestore{c, map[int]bool{}} }), chunks,
			oracleTest, "op 4 (append), keys returned: lane 0 row 0 holds token 0 of before the restore at op 3, expected nothing (zeros); wrong in 20 of 20 runs, 1 cell", nil,
		},
		{
			"a refused chunk is stored", refusing(true, kind(corpus.LongChunks)), with(props.Without("long")),
			oracleTest, "op 2 (append), keys: changed: the append that was refused at op 1 changed the cache: op 2 (append), keys returned: lane 0 row 0 holds token 1 of the chunk that was refused at op 1, expected nothing (zeros); wrong in 20 of 20 runs, 1 cell", nil,
		},
		{
			"a chunk of another dim is stored in part", alter(storesPart), chunks,
			oracleTest, "op 2 (append), keys: changed: the append that was refused at op 1 changed the cache: op 2 (append), keys returned: lane 0 row 0 holds token 0 of the chunk that was refused at op 1, expected nothing (zeros); wrong in 20 of 20 runs, 1 cell", nil,
		},
		{
			"half of a row is lost", update(tears), chunks,
			oracleTest, "op 1 (append), keys returned: lane 0 row 0 holds parts of token 0 and of zeros, expected token 0; wrong in 20 of 20 runs, 1 cell", nil,
		},
		{
			"keys are stored as values", update(mixes), chunks,
			oracleTest, "op 1 (append), values returned: lane 0 row 0 holds token 0 of keys, expected token 0; wrong in 20 of 20 runs, 1 cell", nil,
		},
		{
			"lanes are swapped", update(swapsLanes), chunks,
			oracleTest, "op 1 (append), values returned: lane 0 row 0 holds token 0 of lane 1, expected token 0; wrong in 20 of 20 runs, 2 cells", nil,
		},
		{
			"the tensor of the caller is kept", update(keepsChunk), chunks,
			keepsNothingTest, "op 5 (append), keys returned: lane 0 row 0 holds token 12 of lane 3, expected token 8",
			[]string{oracleTest},
		},
		{
			"one tensor as keys and values", update(skipsSame), chunks,
			sameTensorTest, "op 1 (append), values returned: lane 0 row 0 holds nothing (zeros), expected token 0", nil,
		},
		{
			"keys are written before values are read", newWritesFirst, with(props.Without("crossing", "long")),
			ownOutputTest, "op 18 (append), values returned: lane 0 row 0 holds token 11 or 16, expected token 20", nil,
		},
		{
			"a select keeps the order", over(func(c *caches.Beams) impls.Cache { return orderKept{c} }), chunks,
			oracleTest, "op 3 (append), keys returned: lane 0 row 0 holds token 0 of entry 0 of before the select at op 2, expected token 0 of entry 1; wrong in 20 of 20 runs, 1 cell", nil,
		},
		{
			"repeated entries share memory", over(func(c *caches.Beams) impls.Cache { return &sharesMemory{Beams: c} }), chunks,
			oracleTest, "op 2 (append), keys returned: lane 0 row 0 holds token 0 of lane 1, expected token 0; wrong in 20 of 20 runs, 1 cell", nil,
		},
		{
			"padding is stored", over(func(c *caches.Beams) impls.Cache { return storesPadding{c} }), chunks,
			oracleTest, "op 2 (append), keys returned: lane 2 row 0 holds padding, expected token 1; wrong in 20 of 20 runs, 1 cell", nil,
		},
		{
			"positions in another order", over(func(c *caches.Beams) impls.Cache { return lies{c} }), chunks,
			oracleTest, "op 1 (append), keys returned: lane 0 row 0 holds token 0, expected token 1; wrong in 20 of 20 runs, 1 cell", nil,
		},
		{
			"a position twice", over(func(c *caches.Beams) impls.Cache { return twice{c} }), chunks,
			oracleTest, "op 1 (append), keys: shape: rows 0 and 1 of entry 0 both claim position 0; wrong in 20 of 20 runs", nil,
		},
		{
			"queries see one token too many", newMasked(func(window, p, position int, sees bool) bool { return sees || position >= 0 && position == p-window }), chunks,
			oracleTest, "op 1 (append), keys: visible: the query of entry 0 at position 1 attends to row 0, position 0, which is before its window: it sees positions from 1 on; wrong in 20 of 20 runs", nil,
		},
		{
			"queries see one token too few", newMasked(func(window, p, position int, sees bool) bool { return sees && (window == 1 || position > p-window+1) }), chunks,
			oracleTest, "op 1 (append), keys: visible: the query of entry 0 at position 1 does not attend to position 0 (token 0), which it must see; wrong in 20 of 20 runs", nil,
		},
		{
			"queries see padding", newMasked(func(_, _, position int, sees bool) bool { return sees || position < 0 }), chunks,
			oracleTest, "op 3 (append), keys: visible: the query of entry 1 at position 0 attends to row 1, which holds no token; wrong in 20 of 20 runs", nil,
		},
		{
			"queries see a token twice", newAttendsTwice, chunks,
			oracleTest, "op 1 (append), keys: visible: the query of entry 0 at position 0 attends to position 0 twice, in rows 0 and 1; wrong in 20 of 20 runs", nil,
		},
		{
			"other dims are taken", newListCache, with(props.Dims(8)),
			limitsTest, "Dims leaves dim=1 out: want an error of the constructor, or of Update; a cache was made, and took a token", nil,
		},
		{
			"larger chunks are taken", newListCache, with(props.LargestChunk(plusOne)),
			oracleTest, "op 1 (append), -: accepted: 3 rows after 0 in a window of 1, which must be refused: it is outside of the limits that are declared; wrong in 20 of 20 runs", nil,
		},
		{
			"wrong in every third cache", everyThird(), chunks,
			oracleTest, "op 1 (append), keys returned: lane 0 row 0 holds nothing (zeros), expected token 0; wrong in 10 of 30 runs, 1 cell", nil,
		},
	}
	return append(all, plantedFaults()...)
}

// plantedFaults is the bugs of package caches. Of those that the table names, all that
// their authors read is looked at.
func plantedFaults() []badCache {
	all := []badCache{
		{name: "ring-wraps-early", subtest: oracleTest, message: "op 2 (append), keys returned: lane 0 row 0 holds token 0, expected token 3; wrong in 20 of 20 runs, 1 cell"},
		{name: "double-ring-one-row-short", subtest: oracleTest, message: "op 1 (append), keys: shape: no returned row holds position 0 of entry 0 (token 0), which a query sees; wrong in 20 of 20 runs"},
		{name: "aligned-copies-16-bytes", subtest: oracleTest, message: "op 1 (append), keys returned: lane 0 row 0 holds parts of token 0 and of zeros, expected token 0; wrong in 20 of 20 runs, 4 cells"},
		{name: "pages-writes-shared", subtest: oracleTest, message: "op 4 (append), keys returned: lane 0 row 0 holds token 1 of lane 1, expected token 1; wrong in 20 of 20 runs, 1 cell"},
		{name: "pages-padded-batch", subtest: oracleTest, message: "op 3 (append), keys returned: lane 0 row 0 holds nothing (zeros), expected token 0; wrong in 20 of 20 runs, 1 cell"},
		{name: "cells-stale-after-crop", subtest: oracleTest, message: "op 3 (append), keys returned: lane 0 row 0 holds token 0, which the crop at op 2 cut off, expected token 1; wrong in 20 of 20 runs, 1 cell"},
		{name: "cells-stale-after-reset", subtest: oracleTest, message: "op 3 (append), keys returned: lane 0 row 0 holds token 0 of before the reset at op 2, expected token 1; wrong in 20 of 20 runs, 1 cell"},
		{name: "cells-one-mask", subtest: oracleTest, message: "op 1 (append), keys: visible: the query of entry 0 at position 0 attends to row 1, position 1, which comes after it; wrong in 20 of 20 runs"},
		{name: "cells-wide-window", subtest: oracleTest, message: "op 1 (append), keys: visible: the query of entry 0 at position 1 attends to row 0, position 0, which is before its window: it sees positions from 1 on; wrong in 20 of 20 runs"},
		{name: "beams-never-evicts", subtest: oracleTest, message: "op 2 (append), keys: unbounded: returned 5 rows for a chunk of 3 tokens after 5 tokens in a window of 1; want at most 4, a slack of 1 among them; wrong in 20 of 20 runs"},
		{name: "beams-values-in-old-order", subtest: oracleTest, message: "op 4 (append), values returned: lane 0 row 0 holds token 0 of entry 0 of before the select at op 3, expected token 0 of entry 1; wrong in 20 of 20 runs, 1 cell"},
		{name: "beams-misaligned-after-drop", subtest: oracleTest, message: "op 4 (append), keys returned: lane 0 row 0 holds token 1, expected token 0; wrong in 20 of 20 runs, 1 cell"},
		{name: "beams-one-rollback", subtest: oracleTest, message: "op 3 (append), keys returned: lane 1 row 0 holds token 0, which the crop at op 2 cut off, expected token 1; wrong in 20 of 20 runs, 1 cell"},
		{name: "hybrid-layers-disagree", subtest: oracleTest, message: "op 3 (append), keys: shape: returned the newest 1 row after 2 tokens; the query at position 1 sees positions from 0 on (layer 0); wrong in 20 of 20 runs"},
		{name: "hybrid-windows-in-old-order", subtest: oracleTest, message: "op 4 (append), keys returned by layer 0: lane 0 row 0 holds token 0 of entry 0 of before the select at op 3, expected token 0 of entry 1; wrong in 20 of 20 runs, 1 cell"},
	}
	for _, i := range caches.List() {
		named := slices.ContainsFunc(all, func(b badCache) bool { return b.name == i.Name })
		if !i.Sound && !named {
			all = append(all, badCache{name: i.Name, subtest: oracleTest, message: anyMessage})
		}
	}
	for at, b := range all {
		all[at].cache, all[at].options = builtin(b.name), promises[baseOf(b.name)]
	}
	return all
}

// baseOf is the sound cache that a fault of package caches is planted in, "" for a
// name that there is not.
func baseOf(name string) string {
	for _, i := range caches.List() {
		if i.Name == name {
			return i.Base
		}
	}
	return ""
}

// badVar is set in the process that TestBadCaches starts, whose tests are to fail.
const badVar = "SLIDEFUZZ_TEST_BAD"

// triedBadCaches is those that TestBadCaches tries: with -short every fifth of the
// planted bugs of which nothing but that they are caught is looked at.
func triedBadCaches() []badCache {
	n := 0
	return slices.DeleteFunc(badCaches(), func(b badCache) bool {
		if b.message != anyMessage || !testing.Short() {
			return false
		}
		n++
		return n%5 != 0
	})
}

// A fault fails the subtests that are to catch it and no others, and its author is
// told what is wrong.
func TestBadCaches(t *testing.T) {
	if os.Getenv(badVar) != "" {
		for _, b := range triedBadCaches() {
			t.Run(b.name, func(t *testing.T) {
				t.Parallel()
				props.TestCache(t, b.cache, b.options...)
			})
		}
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestBadCaches$", "-slidefuzz.seed=1", "-slidefuzz.cases=1000", fmt.Sprintf("-test.short=%t", testing.Short()))
	cmd.Env = append(os.Environ(), badVar+"=1")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, "%s", out)
	require.Equal(t, 1, exit.ExitCode(), "%s", out)
	require.NotContains(t, string(out), "panic")
	got := failures(string(out))
	for _, b := range triedBadCaches() {
		t.Run(b.name, func(t *testing.T) {
			failed := got[strings.ReplaceAll(b.name, " ", "_")]
			if b.message == anyMessage {
				require.Contains(t, failed, b.subtest)
				return
			}
			if b.message == "" {
				require.Contains(t, failed, b.subtest)
			} else {
				require.Equal(t, b.message, failed[b.subtest])
			}
			require.ElementsMatch(t, append(b.also, b.subtest), slices.Collect(maps.Keys(failed)))
		})
	}
}

var (
	failLine = regexp.MustCompile(`^ *--- FAIL: TestBadCaches/([^/ ]+)/(\w+)`)
	logLine  = regexp.MustCompile(`^ *\w+\.go:\d+: (.*)`)
)

// failures is the first sentence of each subtest that failed, by cache and subtest.
func failures(out string) map[string]map[string]string {
	all := map[string]map[string]string{}
	cache, subtest := "", ""
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		if m := failLine.FindStringSubmatch(line); m != nil {
			if cache, subtest = m[1], m[2]; all[cache] == nil {
				all[cache] = map[string]string{}
			}
			continue
		}
		m := logLine.FindStringSubmatch(line)
		if m == nil || strings.HasPrefix(m[1], "operations accepted:") || strings.HasPrefix(m[1], "-slidefuzz.seed=") {
			continue
		}
		if _, ok := all[cache][subtest]; !ok {
			all[cache][subtest] = m[1]
		}
	}
	return all
}
