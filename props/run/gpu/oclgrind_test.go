package gpu

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/gpu"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

var programsFlag = flag.Int("slidefuzz.programs", 0, "programs of TestOclgrindAgrees (default 5000, or 250 with -short)")

// An independent judge: the detector's verdict on every kernel of random
// in-place programs is Oclgrind's, which interprets the kernel and sees every
// access, with one work-item a block. Every other program is of the wider grammar, where
// a kernel of a GPU can run it.
func TestOclgrindAgrees(t *testing.T) {
	o, err := gpu.NewOclgrind(t.Context(), t.TempDir())
	var missing *gpu.MissingError
	if errors.As(err, &missing) && !slices.Contains(strings.Split(os.Getenv("SLIDEFUZZ_REQUIRE"), ","), "oclgrind") {
		t.Skip("SKIPPED, NOTHING WAS TESTED: " + err.Error())
	}
	require.NoError(t, err)
	defer func() { require.NoError(t, o.Close()) }()

	r := newRecorder()
	rng := rand.New(rand.NewPCG(11, 12))
	n := *programsFlag
	if n == 0 {
		n = count(5_000)
	}
	kernels, conflicts, benign, wide := 0, 0, 0, 0
	buf := make([]byte, corpus.MaxDraw)
	for i := range n {
		for k := range buf {
			buf[k] = byte(rng.Uint32())
		}
		in := buf[:10+rng.IntN(corpus.MaxDraw-10)]
		c := corpus.DecodeProgram(in)
		if i%2 == 1 { // of the wider grammar, where a kernel of a GPU can
			if w := corpus.DecodeProgram(append([]byte(corpus.ProgramPrefix), in...)); lacks(w.Program) == "" {
				c = w
			}
		}
		if c.Program.Grammar() == 2 {
			wide++
		}
		c.Block = 1 + c.Block%12
		c.Target.Lowering = [...]inplace.Lowering{inplace.DropWAR, inplace.DropWAR, inplace.DropClone, inplace.Fused, inplace.Eager}[rng.IntN(5)]
		rec, err := r.record(t.Context(), c)
		require.NoError(t, err)
		races, err := o.Races(context.Background(), rec.trace)
		require.NoError(t, err)
		next := 0
		for _, s := range rec.trace.Steps {
			if s.Kind != inplace.Move {
				continue
			}
			got := s.Kernel.Conflict()
			require.Equal(t, races[next], got, "kernel %d: Oclgrind first, the detector second\n%s", next, c.Text())
			kernels++
			next++
			if got {
				conflicts++
				hazard := false
				s.Kernel.Hazards(func(inplace.Hazard) bool { hazard = true; return false })
				if !hazard {
					benign++
				}
			}
		}
	}
	t.Logf("%d programs, %d of the wider grammar, %d kernels: %d with a conflict, %d of those benign; no disagreement", n, wide, kernels, conflicts, benign)
	require.Positive(t, wide)
	require.Positive(t, conflicts)
	require.Less(t, conflicts, kernels)
}
