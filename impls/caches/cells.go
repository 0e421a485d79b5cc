package caches

import (
	"math"
	"slices"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Cells is a pool of cells, as llama.cpp's unified KV cache: a token lies where a
// search finds a free cell, and entries that were one share theirs. Update returns the
// whole pool, and a mask says which cells each query sees.
type Cells struct {
	ragged[*sequence]
	pool pool[held]
}

// NewCells makes an empty cache.
func NewCells(s impls.Shape) (*Cells, error) { return ready(&Cells{}, s) }

// Reset implements impls.Cache.
func (c *Cells) Reset() {
	c.begin(func() *sequence { return &sequence{bug: c.bug, list: list[held]{pool: &c.pool}} })
}

// Visible implements impls.Masker.
func (c *Cells) Visible() [][][]bool { return c.mask() }

// sequence is one entry: n tokens, of which it holds those in the cells of a list.
type sequence struct {
	bug  bug
	n    int
	list list[held]
}

func (s *sequence) tokens() int { return s.n }

// in is the cells of tokens lo to hi-1.
func (s *sequence) in(lo, hi int) (cells []int) {
	for _, at := range s.list.at {
		if p := s.list.items[at].pos; lo <= p && p < hi {
			cells = append(cells, at)
		}
	}
	return cells
}

func (s *sequence) holds(lo, hi int) bool { return len(s.in(lo, hi)) == hi-lo }

func (s *sequence) append(x row) {
	if s.bug != staleAfterCrop && s.bug != staleAfterReset || !s.holds(s.n, s.n+1) {
		s.list.add(held{s.n, x})
	}
	s.n++
}

// rows is the whole pool: cells of others are empty rows with something in them.
func (s *sequence) rows(int) []held {
	pool := slices.Clone(s.list.items)
	for at := range pool {
		if !slices.Contains(s.list.at, at) {
			pool[at].pos = -1
		}
	}
	return pool
}

// slide gives back the cells that no query sees any more.
func (s *sequence) slide(window int) { s.list.keep(s.in(oldest(s.n, window), math.MaxInt)) }

func (s *sequence) crop(n int) {
	if s.n = n; s.bug != staleAfterCrop {
		s.list.keep(s.in(0, n))
	}
}

func (s *sequence) clone() *sequence { return &sequence{s.bug, s.n, s.list.clone()} }

func (s *sequence) drop() { s.list.drop() }
