package worker

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls"
)

// ChunkLimit is the most tokens that one update takes. Its zero value is no
// limit.
type ChunkLimit struct {
	// Window is whether the window's rows are added to N, which is then 0 or 1.
	Window bool
	N      int
}

// Rows is the limit for a window of so many rows, math.MaxInt for none.
func (l ChunkLimit) Rows(window int) int {
	switch {
	case l.Window:
		return window + l.N
	case l.N > 0:
		return l.N
	}
	return math.MaxInt
}

// String is the limit as hello has it, "" for none.
func (l ChunkLimit) String() string {
	switch {
	case l.Window && l.N == 0:
		return "W"
	case l.Window:
		return "W+" + strconv.Itoa(l.N)
	case l.N > 0:
		return strconv.Itoa(l.N)
	}
	return ""
}

func parseChunkLimit(text string) (ChunkLimit, error) {
	switch text {
	case "W":
		return ChunkLimit{Window: true}, nil
	case "W+1":
		return ChunkLimit{Window: true, N: 1}, nil
	}
	n, err := parseCount(text, 1)
	if err != nil {
		return ChunkLimit{}, fmt.Errorf("%q: want rows from 1 to %d, W or W+1", text, impls.MaxExtent)
	}
	return ChunkLimit{N: n}, nil
}

// Dims are the head dims that a cache takes: those of a list, or all multiples of a
// number. Nil are all.
type Dims struct {
	List     []int
	Multiple int // where List is empty
}

// Has reports whether a dim is one of them.
func (d *Dims) Has(dim int) bool {
	switch {
	case d == nil:
		return true
	case len(d.List) > 0:
		return slices.Contains(d.List, dim)
	}
	return dim > 0 && dim%max(1, d.Multiple) == 0
}

// Nearest is the one that is nearest to a dim, of two the smaller.
func (d *Dims) Nearest(dim int) int {
	if d.Has(dim) {
		return dim
	}
	if len(d.List) > 0 {
		return nearest(d.List, dim)
	}
	m := max(1, d.Multiple)
	below := dim / m * m
	if below >= m && dim-below <= below+m-dim || below+m > impls.MaxExtent {
		return below
	}
	return max(below, 0) + m
}

// String is what hello has.
func (d *Dims) String() string {
	switch {
	case d == nil:
		return ""
	case len(d.List) > 0:
		return formatList(d.List)
	}
	return strconv.Itoa(max(1, d.Multiple)) + "*"
}

func parseDims(text string) (*Dims, error) {
	if of, ok := strings.CutSuffix(text, "*"); ok {
		n, err := parseCount(of, 1)
		if err != nil {
			return nil, fmt.Errorf("%q: want multiples of a number from 1 to %d, as in 8*", text, impls.MaxExtent)
		}
		return &Dims{Multiple: n}, nil
	}
	list, err := parseSizes(text)
	if err != nil {
		return nil, fmt.Errorf("%q: %w, as in 64,128 or 8*", text, err)
	}
	return &Dims{List: list}, nil
}

// NearestBatch is the batch size that is nearest to one, of those that the worker
// takes; of two the smaller.
func (h *Hello) NearestBatch(batch int) int {
	if len(h.Batches) == 0 {
		return batch
	}
	return nearest(h.Batches, batch)
}

// nearest is the number of a list that is nearest to one, of two the smaller.
func nearest(list []int, to int) int {
	best := list[0]
	for _, n := range list[1:] {
		was, is := max(best-to, to-best), max(n-to, to-n)
		if is < was || is == was && n < best {
			best = n
		}
	}
	return best
}
