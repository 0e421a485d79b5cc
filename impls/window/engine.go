package window

import (
	"fmt"

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
}

// maxSteps bounds the windows whose decodes are looked up by number: a list of the plans
// of more takes memory that a case has not asked for.
const maxSteps = 1 << 12

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
	// A decode: looking it up in the map would take longer than some decodes.
	step := q == 1 && full == (key.n == w) && key.n < len(e.steps)
	if step && e.steps[key.n] != nil {
		return e.steps[key.n]
	}
	if p, ok := e.plans[key]; ok {
		return p
	}
	var stmts []inplace.Stmt
	switch {
	case e.update.asWritten != nil:
		stmts = e.update.writtenProgram(w, key.n, q, full)
	case q > w:
		stmts = keepLast(w, q)
	case full:
		stmts = e.update.step(w, w, 1)
	default:
		stmts = e.update.step(w, key.n, q)
	}
	p := inplace.Compile(inplace.Program{Buffers: []inplace.Buffer{{Name: cacheBuffer, Rows: w}, {Name: ChunkBuffer, Rows: q}}, Stmts: stmts}, e.Target.Lowering, e.Shape, e.Block)
	if step {
		e.steps[key.n] = p
	} else {
		e.plans[key] = p
	}
	return p
}
