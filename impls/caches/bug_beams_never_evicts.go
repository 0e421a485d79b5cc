package caches

import (
	"github.com/slidefuzz/slidefuzz/impls"
)

var beamsNeverEvicts = bug{
	id: "F4", name: "beams-never-evicts", base: "beams",
	reference: "rajveer43/VeloxQuant-MLX#86, llm_from_scratch#3",
	mechanism: "the window is never applied: rows grow for ever",
	make:      newBeamsNeverEvict,
}

// newBeamsNeverEvict makes a cache that never applies its window.
func newBeamsNeverEvict(s impls.Shape) (impls.Cache, error) {
	if err := s.Check(); err != nil {
		return nil, err
	}
	s.Window = impls.MaxExtent
	return NewBeams(s)
}
