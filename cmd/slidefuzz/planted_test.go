package main

import (
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls/caches"
)

// servedSample is bugs that are caught behind the protocol too, a part of the list that
// has each sound cache and each optional message: docs/planted.md has all.
var servedSample = []string{
	"ring-wraps-early", "double-ring-one-row-short", "static-shift-backwards", "sliding-batch-of-first-use", "rotating-trim-moves-index",
	"sinks-evicts-newest", "aligned-copies-16-bytes", "pages-writes-shared", "cells-one-mask", "beams-one-rollback", "beams-hit-keeps-position",
}

// shortSample is how many of servedSample are hunted in with -short.
const shortSample = 3

// Planted bugs are caught behind the protocol too, and the sound designs are silent
// there. Caches with layers are not served.
func TestPlantedBehindTheProtocol(t *testing.T) {
	served := 0
	for _, i := range caches.List() {
		hello, err := helloOf(i)
		if i.Name == "hybrid" || i.Base == "hybrid" {
			require.ErrorContains(t, err, "layers")
			continue
		}
		require.NoError(t, err)
		require.Equal(t, i.Name, hello.Name)
		at := slices.Index(servedSample, i.Name)
		if !i.Sound && at < 0 {
			continue
		}
		served++
		if at >= shortSample && testing.Short() {
			continue
		}
		t.Run(i.Name, func(t *testing.T) {
			t.Parallel()
			cases, status := "300", 1
			if i.Sound {
				cases, status = "50", 0
			}
			cmd := exec.CommandContext(t.Context(), "slidefuzz", "hunt", "--exec", "slidefuzz worker go/"+i.Name, "--seed", "1", "--cases", cases, "--shrink-time", "2s")
			out, err := cmd.CombinedOutput()
			require.Equal(t, status, cmd.ProcessState.ExitCode(), "%v\n%s", err, out)
			if i.Sound {
				require.Contains(t, string(out), "nothing unexpected")
			} else {
				require.Contains(t, string(out), "DIVERGED at case")
			}
			require.Contains(t, string(out), "operations accepted: append ")
		})
	}
	require.Equal(t, 11+len(servedSample), served)
}

// A largest chunk is told in the words of the protocol, and one that has none there is
// an error.
func TestChunkLimit(t *testing.T) {
	for text, most := range map[string]func(int) int{
		"":    nil,
		"W":   func(w int) int { return w },
		"W+1": func(w int) int { return w + 1 },
		"5":   func(int) int { return 5 },
	} {
		l, err := chunkLimit(caches.Info{Name: "x", MaxChunk: most})
		require.NoError(t, err)
		require.Equal(t, text, l.String())
	}
	_, err := chunkLimit(caches.Info{Name: "x", MaxChunk: func(w int) int { return 2 * w }})
	require.ErrorContains(t, err, "words for W, W+1 and a number")
}
