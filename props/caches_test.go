package props_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/caches"
	"github.com/slidefuzz/slidefuzz/props"
)

// builtin is the constructor of a cache of package caches.
func builtin(name string) constructor {
	return func(_ *testing.T, s impls.Shape) (impls.Cache, error) { return caches.New(name, s) }
}

// promises is what the caches of package caches say of themselves, as options: a
// line each, as the test of one's own cache has it.
var promises = map[string][]props.Option{
	"ring":        {props.Chunks(), props.Without("empty", "crossing", "long")},
	"ring-narrow": nil,
	"double-ring": {props.Chunks(), props.LargestChunk(func(window int) int { return window + 1 })},
	"aligned":     {props.Chunks(), props.DimsMultipleOf(8)},
	"static":      nil,
	"sliding":     {props.Chunks()},
	"rotating":    {props.Chunks()},
	"sinks":       {props.Chunks()},
	"pages":       {props.Chunks()},
	"cells":       {props.Chunks()},
	"beams":       {props.Chunks()},
	"hybrid":      {props.Chunks()},
}

// Sound caches of each design are silent.
func TestSoundCaches(t *testing.T) {
	for _, i := range caches.List() {
		if !i.Sound {
			continue
		}
		t.Run(i.Name, func(t *testing.T) {
			options, ok := promises[i.Name]
			require.True(t, ok)
			props.TestCache(t, builtin(i.Name), options...)
		})
	}
}
