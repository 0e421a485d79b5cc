package window

import (
	"fmt"
	"sync"

	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// Programs are those of a target's update for one window, in rows: caches of other lanes,
// dim, element type and layout share them, and under a sound lowering of other blocks. They
// are not for use by two goroutines at once.
type Programs struct {
	target        Target
	window, block int
	update        *Update
	steps         []*step // of one row by the number of tokens before, the window's for all more
	firsts        []*step // of a chunk longer than the window, or of one after no tokens, by its rows
	others        map[stepKey]*step
}

// step is the program of one chunk.
type step struct {
	lowered *inplace.Lowered
	moves   inplace.Moves // nil where it cannot be run so
	// How many storages it has, and the most rows of a temporary. A step that asked the
	// lowered program would wait for its memory.
	storages, most int
}

// stepKey is what the program of a chunk depends on.
type stepKey struct {
	n, q int
	full bool
}

// maxSteps bounds the windows whose decodes are looked up by number, and maxFirsts the rows
// of the chunks that are: a list of the programs of more takes memory that a case has not
// asked for. Most prefills that are drawn have fewer rows.
const (
	maxSteps  = 1 << 12
	maxFirsts = 128
)

// NewPrograms are those of an update for a window of so many rows, and blocks of so many
// cells.
func NewPrograms(t Target, window, block int) (*Programs, error) {
	u, ok := LookupUpdate(t.Update)
	if !ok {
		return nil, fmt.Errorf("no update is called %q; slidefuzz targets lists them", t.Update)
	}
	if block < 1 {
		return nil, fmt.Errorf("block %d: want at least one cell", block)
	}
	return &Programs{target: t, window: window, block: block, update: u, others: map[stepKey]*step{}, steps: make([]*step, max(0, min(window, maxSteps))+1)}, nil
}

// of is the program for q new rows where n tokens have been seen.
func (p *Programs) of(n, q int, full bool) *step {
	w := p.window
	key := stepKey{min(n, w), q, full}
	if q > w {
		key.n, key.full = 0, false
	}
	// A decode or a prefill: looking it up in the map would take longer than some decodes.
	decode := q == 1 && full == (key.n == w) && key.n < len(p.steps)
	first := !decode && key.n == 0 && !key.full && q < maxFirsts
	switch {
	case decode:
		if s := p.steps[key.n]; s != nil {
			return s
		}
	case first:
		if q < len(p.firsts) && p.firsts[q] != nil {
			return p.firsts[q]
		}
	default:
		if s, ok := p.others[key]; ok {
			return s
		}
	}
	s := p.lower(key)
	switch {
	case decode:
		p.steps[key.n] = s
	case first:
		for len(p.firsts) <= q {
			p.firsts = append(p.firsts, nil)
		}
		p.firsts[q] = s
	default:
		p.others[key] = s
	}
	return s
}

// lower makes the program of a chunk. Those of sound updates under sound lowerings, for small
// windows, are remembered for the whole process.
func (p *Programs) lower(key stepKey) *step {
	keep := p.update.Sound() && p.target.Lowering.Sound() && p.window <= maxLoweredWindow && key.q <= 2*p.window+2
	of := loweredKey{p.update, p.target.Lowering, p.window, key}
	if keep {
		if x, ok := lowerings.Load(of); ok {
			return x.(*step)
		}
	}
	w, n, q := p.window, key.n, key.q
	var stmts []inplace.Stmt
	switch {
	case p.update.asWritten != nil:
		stmts = p.update.writtenProgram(w, n, q, key.full)
	case q > w:
		stmts = keepLast(w, q)
	case key.full:
		stmts = p.update.step(w, w, 1)
	default:
		stmts = p.update.step(w, n, q)
	}
	x := inplace.Lower(inplace.Program{Buffers: []inplace.Buffer{{Name: cacheBuffer, Rows: w}, {Name: ChunkBuffer, Rows: q}}, Stmts: stmts}, p.target.Lowering, p.block)
	s := &step{lowered: x, moves: x.Moves(), storages: len(x.Rows())}
	for _, rows := range x.Rows()[2:] {
		s.most = max(s.most, rows)
	}
	if keep {
		lowerings.Store(of, s)
	}
	return s
}

// lowerings holds a *step for each loweredKey.
var lowerings sync.Map

// loweredKey is what the program of a chunk depends on, under a sound lowering.
type loweredKey struct {
	update *Update
	how    inplace.Lowering
	window int
	stepKey
}

// maxLoweredWindow bounds the windows whose programs are remembered: drawn ones have at most 16
// rows, most often. An update and a lowering then have some 1000 programs.
const maxLoweredWindow = 16
