// Package kernels holds kernels of one's own under orders that slidefuzz chooses:
// workers in Python, and the test of the one that needs no GPU.
package kernels

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/window"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/props/hunt"
	"github.com/slidefuzz/slidefuzz/props/run"
	rworker "github.com/slidefuzz/slidefuzz/props/run/worker"
)

// python is Debian's, for which there is a package of pyopencl.
const python = "/usr/bin/python3"

// start starts the worker with the OpenCL kernel. Without pyopencl or a device the test
// is skipped, unless SLIDEFUZZ_REQUIRE names pyopencl.
func start(t *testing.T, variant string) (*run.Backends, *rworker.Backend) {
	t.Helper()
	if err := exec.CommandContext(t.Context(), python, "-c", "import pyopencl; pyopencl.get_platforms()[0].get_devices()[0]").Run(); err != nil {
		if !slices.Contains(strings.Split(os.Getenv("SLIDEFUZZ_REQUIRE"), ","), "pyopencl") {
			t.Skip("no OpenCL in Python; on Debian: apt-get install python3-pyopencl pocl-opencl-icd")
		}
		require.NoError(t, err, "pyopencl and a device")
	}
	t.Setenv("PYTHONDONTWRITEBYTECODE", "1")
	client := &worker.Client{Args: []string{python, "shift_opencl.py", variant}, Timeout: time.Minute}
	t.Cleanup(client.Kill)
	b, err := rworker.New(t.Context(), client)
	require.NoError(t, err)
	all := run.Local()
	all.ByDevice[window.Worker] = b
	return all, b
}

// The racing kernel is caught, shrunk to two rows, two blocks and the second of them
// first, and fails so each time; in ascending order it does not.
func TestRacing(t *testing.T) {
	all, b := start(t, "racing")
	found, err := hunt.Hunt(t.Context(), all, b.Target(), hunt.Options{Seed: 1, Cases: 20, ShrinkTime: time.Minute})
	require.NoError(t, err)
	require.Len(t, found.Findings, 1)
	small := found.Findings[0].Small
	require.Equal(t, "slidefuzz case v1\nshape batch=1 heads=1 window=2 dim=1 dtype=F32 layout=heads-first\n"+
		"target worker/shift-opencl-racing\nblock 1\nschedule 1\nappend 2\nappend 1\nexpect op=2 tensor=keys hazard=none\n", string(small.Text()))
	r := &hunt.Runner{Backends: all}
	v, err := r.Replay(t.Context(), small, 100)
	require.NoError(t, err)
	require.True(t, v.OK, v)
	require.Equal(t, 100, v.Runs.Wrong)

	ascending := small.Clone()
	ascending.Schedule.Kind, ascending.Schedule.Blocks, ascending.Expect = 0, nil, &corpus.Expect{OK: true}
	v, err = r.Replay(t.Context(), ascending, 100)
	require.NoError(t, err)
	require.True(t, v.OK, v)
}

// The mended kernel is right in every order. On a CPU groups wait for their turn by
// spinning, which on a busy machine takes a time slice for each, so here PoCL has one
// thread: it starts the groups one by one, and the order says which each is to be.
func TestMended(t *testing.T) {
	t.Setenv("POCL_MAX_PTHREAD_COUNT", "1")
	all, b := start(t, "mended")
	cases := 2000
	if testing.Short() {
		cases = 50
	}
	found, err := hunt.Hunt(t.Context(), all, b.Target(), hunt.Options{Seed: 1, Cases: cases})
	require.NoError(t, err)
	require.Empty(t, found.Findings)
	require.Equal(t, cases, found.Cases)
	require.Empty(t, found.Ended)
}
