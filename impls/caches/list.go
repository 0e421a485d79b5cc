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
	ID        string // of a bug, its number in docs/bugs.md
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
		Info{Name: "static", About: "one buffer of W rows that moves to the left", Reference: "transformers", Narrow: true},
		func(s impls.Shape) (impls.Cache, error) { return NewStatic(s) },
	},
	{
		Info{Name: "sliding", About: "concatenates and cuts: it holds W-1 tokens and returns W-1+q", Reference: "transformers; the control of mlx-lm#1914"},
		func(s impls.Shape) (impls.Cache, error) { return NewSliding(s) },
	},
	{
		Info{Name: "rotating", About: "goes round in W rows to decode, concatenates for chunks", Reference: "mlx-lm"},
		func(s impls.Shape) (impls.Cache, error) { return NewRotating(s) },
	},
	{
		Info{Name: "sinks", About: "keeps the first 2 tokens beside the newest", Reference: "StreamingLLM"},
		func(s impls.Shape) (impls.Cache, error) { return NewSinkCache(s) },
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

// bug is a fault of a real system, planted in a sound cache.
type bug struct {
	id        string // its number in docs/bugs.md
	name      string // lower-case words with dashes
	base      string // the sound cache
	reference string // public reports, as owner/repository#number
	mechanism string // in one line
	make      func(s impls.Shape) (impls.Cache, error)
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

// List describes all caches: the sound ones, then those with a fault. It is a copy.
func List() []Info {
	var all []Info
	for _, d := range designs {
		all = append(all, d.info())
	}
	for _, x := range bugs {
		d, _ := find(x.base)
		i := d.info()
		i.ID, i.Name, i.About, i.Reference, i.Sound, i.Base = x.id, x.name, x.mechanism, x.reference, false, x.base
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
	for _, x := range bugs {
		if x.name == name {
			return x.make(s)
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
