package window

import (
	"fmt"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// Engine has the programs of one target for one shape and block size, compiles those
// that have to run block by block, and remembers them. It may serve many caches, one at a
// time.
type Engine struct {
	Target   Target
	Shape    impls.Shape
	Block    int
	update   *Update
	programs *Programs
	plans    map[*step]*inplace.Plan
}

// NewEngine prepares an update for a shape. block is in cells.
func NewEngine(t Target, s impls.Shape, block int) (*Engine, error) {
	p, err := NewPrograms(t, s.Window, block)
	if err != nil {
		return nil, err
	}
	return p.Engine(s, block)
}

// Engine prepares the update for a shape of the programs' window. The block must be theirs,
// but for a sound lowering.
func (p *Programs) Engine(s impls.Shape, block int) (*Engine, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	if s.Window != p.window {
		return nil, fmt.Errorf("window %d: the programs are for one of %d", s.Window, p.window)
	}
	if block < 1 {
		return nil, fmt.Errorf("block %d: want at least one cell", block)
	}
	return &Engine{Target: p.target, Shape: s, Block: block, update: p.update, programs: p}, nil
}

// plan is a program in cells.
func (e *Engine) plan(s *step) *inplace.Plan {
	p, ok := e.plans[s]
	if !ok {
		if e.plans == nil {
			e.plans = map[*step]*inplace.Plan{}
		}
		p = s.lowered.Compile(e.Shape, e.Block)
		e.plans[s] = p
	}
	return p
}
