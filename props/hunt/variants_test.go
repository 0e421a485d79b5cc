package hunt

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// serveVariants is a compiler of three variants: a sound one that skips what has more
// than two statements, one that loses a race, and one that is wrong from the third call
// of a compilation on.
func serveVariants(in io.Reader, out io.Writer, atOnce int) error {
	hello := testHello
	hello.Variants, hello.ProgramsAtOnce, hello.Grammar, hello.Runs = []string{"sound", "racy", "late"}, atOnce, 2, 3
	calls := 0
	return worker.ServePrograms(context.Background(), in, out, hello, func(variant string, p inplace.Program, buffers []impls.Tensor) error {
		calls++
		how := inplace.Eager
		switch {
		case variant == "sound" && len(p.Stmts) > 2:
			calls = 0
			return &worker.SkipError{Reason: "more than two statements: see the manual"}
		case variant == "racy":
			how = inplace.DropWAR
		}
		err := runTestProgram(p, buffers, how, inplace.Ascending)
		if variant == "late" && calls%3 == 0 {
			buffers[0].Data[0] ^= 1
		}
		return err
	})
}

// The variants of a worker take turns; a finding names its own and keeps it; what need
// not be run is counted, and found by nobody.
func TestVariants(t *testing.T) {
	for _, kind := range []string{"variants", "variants, one at a time"} {
		t.Run(kind, func(t *testing.T) {
			client := testWorker(t, kind)
			target := window.Target{Update: "program", Device: window.Worker}
			r, err := huntIn(t.Context(), client, target, nil, Options{Seed: 1, Cases: 96, ShrinkTime: 20 * time.Second})
			require.NoError(t, err)
			require.Len(t, r.Variants, 3)
			total := 0
			for name, v := range r.Variants {
				total += v.Cases
				require.Positive(t, v.Running, name)
				require.Equal(t, name == "sound", v.Wrong == 0, "%s: %+v", name, v)
				require.Equal(t, name == "sound", v.Skipped > 0, "%s: %+v", name, v)
			}
			require.Equal(t, 96, total)
			require.Empty(t, r.Counts)
			found := map[string]bool{}
			for _, f := range r.Findings {
				found[f.Small.Target.Variant] = true
				text := string(f.Small.Text())
				require.Contains(t, text, "\ntarget program/worker/"+f.Small.Target.Variant+"\n")
				again, err := corpus.Parse("case", []byte(text), 0)
				require.NoError(t, err)
				require.Equal(t, f.Small.Target, again.Target)
				if f.Small.Target.Variant == "late" {
					require.Contains(t, f.Divergence.String(), "stored by call 3 of what was compiled")
				}
			}
			require.Equal(t, map[string]bool{"racy": true, "late": true}, found)
		})
	}
}

// How long programs ran is without the start of the workers that run them at once.
func TestRunningWithoutStart(t *testing.T) {
	t.Parallel()
	target := window.Target{Update: "program", Device: window.Worker}
	r, err := huntIn(t.Context(), testWorker(t, "starts in a second"), target, nil, Options{Seed: 1, Cases: 64, Jobs: 2, ShrinkTime: time.Second})
	require.NoError(t, err)
	var running time.Duration
	for _, v := range r.Variants {
		running += v.Running
	}
	require.Positive(t, running)
	require.Less(t, running, time.Second, "64 programs run in milliseconds, and a worker starts in a second")
}

// serveSkips is a sound compiler that runs eight programs at once and skips those of an
// even number of statements.
func serveSkips(in io.Reader, out io.Writer) error {
	hello := testHello
	hello.ProgramsAtOnce = 8
	return worker.ServePrograms(context.Background(), in, out, hello, func(_ string, p inplace.Program, buffers []impls.Tensor) error {
		if len(p.Stmts)%2 == 0 {
			return &worker.SkipError{Reason: "an even number of statements: see the manual"}
		}
		return runTestProgram(p, buffers, inplace.Eager, inplace.Ascending)
	})
}

// What a worker need not run has not agreed, whichever else its request had.
func TestSkippedAmongOthersIsNotKept(t *testing.T) {
	s := &shelf{}
	target := window.Target{Update: "program", Device: window.Worker}
	r, err := huntIn(t.Context(), testWorker(t, "skips"), target, nil, Options{Seed: 1, Cases: 96, Corpus: s})
	require.NoError(t, err)
	require.Empty(t, r.Findings)
	v := r.Variants[""]
	require.Positive(t, v.Skipped)
	require.Less(t, v.Skipped, v.Cases)
	require.NotEmpty(t, s.written)
	for _, c := range append(s.written, s.left...) {
		require.Equal(t, 1, len(c.Program.Stmts)%2, "kept, and was not run:\n%s", c.Text())
	}
}
