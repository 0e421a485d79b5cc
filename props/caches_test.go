package props_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
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
	"pages":       {props.Chunks()},
	"cells":       {props.Chunks()},
	"beams":       {props.Chunks()},
	"beams-sinks": {props.Chunks()},
	"hybrid":      {props.Chunks()},
}

// plantedVar names, in the process that TestPlantedFaults starts, the cache whose
// test is to fail.
const plantedVar = "SLIDEFUZZ_TEST_PLANTED"

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

// Each fault is caught, and the report says what it is.
func TestPlantedFaults(t *testing.T) {
	if name := os.Getenv(plantedVar); name != "" {
		for _, i := range caches.List() {
			if i.Name == name {
				props.TestCache(t, builtin(name), promises[i.Base]...)
			}
		}
		return
	}
	for _, i := range caches.List() {
		if i.Sound {
			continue
		}
		t.Run(i.Name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestPlantedFaults$", "-slidefuzz.cases=2000")
			cmd.Env = append(os.Environ(), plantedVar+"="+i.Name)
			out, err := cmd.CombinedOutput()
			var exit *exec.ExitError
			require.ErrorAs(t, err, &exit, "it passes:\n%s", out)
			for line := range strings.Lines(string(out)) {
				if strings.Contains(line, "ERROR after") || strings.Contains(line, "accepted:") {
					t.Log(strings.TrimSpace(line))
				}
			}
		})
	}
}

var _ = corpus.Crops
