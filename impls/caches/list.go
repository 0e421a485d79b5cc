package caches

import (
	"fmt"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Info is what is to be known of a cache before it is tested. Its limits hold beside
// those of its contract, and what lies outside is refused.
type Info struct {
	Name      string // lower-case words with dashes
	About     string // the design, or what the fault does
	Reference string // where the fault was seen, or what real cache is built so
	Sound     bool
	Base      string // the sound cache that a fault is planted in

	// Narrow says that the cache keeps the narrow contract, not the wider one.
	Narrow bool
	// Without is kinds of chunk that are not taken: "empty", "crossing", "long".
	Without []string
	// MaxChunk is the most tokens of a chunk in a window of so many rows. Nil is
	// any number.
	MaxChunk func(window int) int
	// DimMultiple is what head dims are multiples of, at least 1.
	DimMultiple int
	// Batches are the numbers of sequences that are taken. None is any number.
	Batches []int
}

// design is a sound cache.
type design struct {
	Info
	make func(s impls.Shape) (impls.Cache, error)
}

var designs = []design{
	{
		Info{Name: "ring", About: "a ring of W rows that takes what fits, then single tokens", Reference: "mistral-inference, LiteRT-LM", Without: []string{"empty", "crossing", "long"}},
		func(s impls.Shape) (impls.Cache, error) { return NewRing(s, false) },
	},
	{
		Info{Name: "ring-narrow", About: "a ring of W rows that takes chunks longer than W too", Reference: "mistral-inference", Narrow: true},
		func(s impls.Shape) (impls.Cache, error) { return NewRing(s, true) },
	},
	{
		Info{Name: "double-ring", About: "a ring of 2W rows that takes chunks of up to W+1 tokens", Reference: "executorch", MaxChunk: func(window int) int { return window + 1 }},
		func(s impls.Shape) (impls.Cache, error) { return NewDoubleRing(s) },
	},
	{
		Info{Name: "aligned", About: "concatenates and cuts, in words of 8 elements", Reference: "transformers, and the head dims of GPU kernels", DimMultiple: wordElements},
		func(s impls.Shape) (impls.Cache, error) { return NewAligned(s) },
	},
	{
		Info{Name: "pages", About: "pages of 4 rows, shared and copied on write", Reference: "vllm, sglang"},
		func(s impls.Shape) (impls.Cache, error) { return NewPages(s) },
	},
	{
		Info{Name: "cells", About: "a pool of cells with a mask", Reference: "llama.cpp"},
		func(s impls.Shape) (impls.Cache, error) { return NewCells(s) },
	},
	{
		Info{Name: "beams", About: "a list of rows for each entry, which is cropped, repeated and dropped for itself", Reference: "mlx-lm, transformers"},
		func(s impls.Shape) (impls.Cache, error) { return NewBeams(s) },
	},
	{
		Info{Name: "hybrid", About: "layers with a window and without, alternating", Reference: "Gemma, gpt-oss"},
		func(s impls.Shape) (impls.Cache, error) { return NewHybrid(s) },
	},
}

// fault is a bug in a sound cache.
type fault struct {
	name, base, reference, about string
	make                         func(s impls.Shape) (impls.Cache, error)
}

// planted makes a sound cache and puts a fault around it.
func planted[C impls.Cache](sound func(impls.Shape) (C, error), fault func(C) impls.Cache) func(impls.Shape) (impls.Cache, error) {
	return func(s impls.Shape) (impls.Cache, error) {
		c, err := sound(s)
		if err != nil {
			return nil, err
		}
		x := fault(c)
		x.Reset() // the fault may be in how much memory is taken
		return x, nil
	}
}

func plainRing(s impls.Shape) (*Ring, error) { return NewRing(s, false) }

var faults = []fault{
	{
		"ring-wraps-early", "ring", "mlx-examples PR 1093", "once full, tokens go round one row less: capacity W or W-1 by path",
		planted(plainRing, func(c *Ring) impls.Cache { return ringWrapsEarly{c} }),
	},
	{
		"double-ring-one-row-short", "double-ring", "executorch PR 20346", "a chunk of W+1 tokens is written over the oldest row that its first query sees",
		planted(NewDoubleRing, func(c *DoubleRing) impls.Cache { return doubleRingOneRowShort{c} }),
	},
	{
		"aligned-copies-16-bytes", "aligned", "kekzl/imp PR 1344, sparkinfer#425", "a copy sized for rows of 16 bytes loses the rest of a longer row",
		planted(NewAligned, func(c *Aligned) impls.Cache { return alignedCopies16Bytes{c} }),
	},
	{
		"pages-writes-shared", "pages", "", "copy-on-write is forgotten: entries that share a page see each other's tokens",
		planted(NewPages, func(c *Pages) impls.Cache { return pagesWritesShared{c} }),
	},
	{
		"pages-padded-batch", "pages", "rvllm PR 32, vllm PR 39444, sglang#36207", "the batch is padded to a power of two, and the padding writes to a live page",
		planted(NewPages, func(c *Pages) impls.Cache { return pagesPaddedBatch{c} }),
	},
	{
		"cells-stale-after-crop", "cells", "VeloxQuant-MLX PR 369", "a crop leaves the flush frontier, and tokens that are written anew count as stored",
		planted(NewCells, func(c *Cells) impls.Cache { return &cellsStaleAfterCrop{staleCells{Cells: c}} }),
	},
	{
		"cells-stale-after-reset", "cells", "vllm-mlx PR 385, koboldcpp#2158", "the flush frontier survives a reset, and tokens of the next conversation count as stored",
		planted(NewCells, func(c *Cells) impls.Cache { return &cellsStaleAfterReset{staleCells{Cells: c}} }),
	},
	{
		"cells-one-mask", "cells", "executorch PR 21857, onnxruntime PR 25927", "one mask for all queries of a chunk: the first sees the last one's token",
		planted(NewCells, func(c *Cells) impls.Cache { return cellsOneMask{c} }),
	},
	{
		"cells-wide-window", "cells", "transformers#26792, vllm#3385", "queries attend to W+1 tokens where the oldest is still held, in chunks of several tokens",
		planted(NewCells, func(c *Cells) impls.Cache { return cellsWideWindow{c} }),
	},
	{
		"beams-never-evicts", "beams", "VeloxQuant-MLX#86, llm_from_scratch#3", "the window is never applied: rows grow for ever",
		newBeamsNeverEvict,
	},
	{
		"beams-values-in-old-order", "beams", "transformers#46612", "a reorder moves the keys and leaves the values",
		planted(NewBeams, func(c *Beams) impls.Cache { return beamsValuesStay{c} }),
	},
	{
		"beams-misaligned-after-drop", "beams", "omlx#2172, mlx-vlm#1889", "entries are dropped and the lengths of the others are taken from the old places",
		planted(NewBeams, func(c *Beams) impls.Cache { return beamsDropMisaligns{c} }),
	},
	{
		"beams-one-rollback", "beams", "mlx-vlm PR 1155, PR 2113", "a crop by entry cuts all entries to the length of the first",
		planted(NewBeams, func(c *Beams) impls.Cache { return beamsOneRollback{c} }),
	},
	{
		"hybrid-layers-disagree", "hybrid", "vllm PR 51756, vllm-ascend PR 11791, mlx-lm#1494", "a crop is granted by the layers without a window; those with one have evicted what it needs",
		planted(NewHybrid, func(c *Hybrid) impls.Cache { return hybridLayersDisagree{c} }),
	},
	{
		"hybrid-windows-in-old-order", "hybrid", "transformers#46612", "a reorder leaves the layers with a window in the old order",
		planted(NewHybrid, func(c *Hybrid) impls.Cache { return hybridWindowsStay{c} }),
	},
}

// List describes all caches: the sound ones, then those with a fault. It is a copy.
func List() []Info {
	var all []Info
	for _, d := range designs {
		all = append(all, d.info())
	}
	for _, f := range faults {
		d, _ := find(f.base)
		i := d.info()
		i.Name, i.About, i.Reference, i.Sound, i.Base = f.name, f.about, f.reference, false, f.base
		all = append(all, i)
	}
	return all
}

func (d *design) info() Info {
	i := d.Info
	i.Sound, i.Without, i.DimMultiple = true, slices.Clone(i.Without), max(1, i.DimMultiple)
	return i
}

// New makes an empty cache that List names. An error says that there is none of that
// name, or that it does not take the shape.
func New(name string, s impls.Shape) (impls.Cache, error) {
	for _, f := range faults {
		if f.name == name {
			return f.make(s)
		}
	}
	d, ok := find(name)
	if !ok {
		return nil, fmt.Errorf("no cache is called %q; caches.List names them", name)
	}
	return d.make(s)
}

func find(name string) (*design, bool) {
	for i := range designs {
		if designs[i].Name == name {
			return &designs[i], true
		}
	}
	return nil, false
}
