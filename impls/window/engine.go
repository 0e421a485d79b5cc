package window

import (
	"fmt"
	"sync"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// Engine compiles the programs of one target for one shape and block size, and
// remembers them. It may serve many caches, one at a time.
type Engine struct {
	Target Target
	Shape  impls.Shape
	Block  int
	update *Update
	plans  map[planKey]*inplace.Plan
	steps  []*inplace.Plan // those of one row by the number of tokens before, the window's for all more
	firsts []*inplace.Plan // those of a chunk longer than the window, or of one after no tokens, by its rows
}

// maxSteps bounds the windows whose decodes are looked up by number, and maxFirsts the rows
// of the chunks that are: a list of the plans of more takes memory that a case has not
// asked for. Most prefills that are drawn have fewer rows.
const (
	maxSteps  = 1 << 12
	maxFirsts = 128
)

// planKey is what the program of a step depends on.
type planKey struct {
	n, q int
	full bool
}

// NewEngine prepares an update for a shape. block is in cells.
func NewEngine(t Target, s impls.Shape, block int) (*Engine, error) {
	u, ok := LookupUpdate(t.Update)
	if !ok {
		return nil, fmt.Errorf("no update is called %q; slidefuzz targets lists them", t.Update)
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	if block < 1 {
		return nil, fmt.Errorf("block %d: want at least one cell", block)
	}
	return &Engine{Target: t, Shape: s, Block: block, update: u, plans: map[planKey]*inplace.Plan{}, steps: make([]*inplace.Plan, min(s.Window, maxSteps)+1)}, nil
}

// plan is the compiled program for q new rows where n tokens have been seen.
func (e *Engine) plan(n, q int, full bool) *inplace.Plan {
	w := e.Shape.Window
	key := planKey{min(n, w), q, full}
	if q > w {
		key.n, key.full = 0, false
	}
	// A decode or a prefill: looking it up in the map would take longer than some decodes.
	step := q == 1 && full == (key.n == w) && key.n < len(e.steps)
	first := !step && key.n == 0 && !key.full && q < maxFirsts
	switch {
	case step:
		if p := e.steps[key.n]; p != nil {
			return p
		}
	case first:
		if q < len(e.firsts) && e.firsts[q] != nil {
			return e.firsts[q]
		}
	default:
		if p, ok := e.plans[key]; ok {
			return p
		}
	}
	p := e.lowered(key).Compile(e.Shape, e.Block)
	switch {
	case step:
		e.steps[key.n] = p
	case first:
		for len(e.firsts) <= q {
			e.firsts = append(e.firsts, nil)
		}
		e.firsts[q] = p
	default:
		e.plans[key] = p
	}
	return p
}

// lowered is the program of a step in rows. Those of sound updates under sound lowerings,
// for small windows, are remembered for all engines: they are the same for caches of
// other lanes, dim, element type, layout and blocks.
func (e *Engine) lowered(key planKey) *inplace.Lowered {
	keep := e.update.Sound() && e.Target.Lowering.Sound() && e.Shape.Window <= maxLoweredWindow && key.q <= 2*e.Shape.Window+2
	of := loweredKey{e.update, e.Target.Lowering, e.Shape.Window, key}
	if keep {
		if x, ok := lowerings.Load(of); ok {
			return x.(*inplace.Lowered)
		}
	}
	w, n, q := e.Shape.Window, key.n, key.q
	var stmts []inplace.Stmt
	switch {
	case e.update.asWritten != nil:
		stmts = e.update.writtenProgram(w, n, q, key.full)
	case q > w:
		stmts = keepLast(w, q)
	case key.full:
		stmts = e.update.step(w, w, 1)
	default:
		stmts = e.update.step(w, n, q)
	}
	x := inplace.Lower(inplace.Program{Buffers: []inplace.Buffer{{Name: cacheBuffer, Rows: w}, {Name: ChunkBuffer, Rows: q}}, Stmts: stmts}, e.Target.Lowering, e.Block)
	if keep {
		lowerings.Store(of, x)
	}
	return x
}

// lowerings holds an *inplace.Lowered for each loweredKey.
var lowerings sync.Map

// loweredKey is what the lowered program of a step depends on, under a sound lowering.
type loweredKey struct {
	update *Update
	how    inplace.Lowering
	window int
	planKey
}

// maxLoweredWindow bounds the windows whose programs are remembered: drawn ones have at most 16
// rows, most often. An update and a lowering then have some 1000 programs.
const maxLoweredWindow = 16
