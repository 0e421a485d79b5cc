//go:build unix

package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/report"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/worker"
)

// python is the interpreter, whose standard library is all that the scripts need.
func python(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("NO SCRIPT IS RUN: there is no python3 here")
	}
	return path
}

// slidefuzzCommand makes a command of this test's binary.
func slidefuzzCommand(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "slidefuzz")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, "#!/bin/sh\n%s=slidefuzz exec %q \"$@\"\n", asEnv, self), 0o755))
	return path
}

// runScript runs a script and gives its exit status and last line.
func runScript(t *testing.T, python string, script []byte) (status int, out string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), report.ReproduceName)
	require.NoError(t, os.WriteFile(path, script, 0o644))
	cmd := exec.CommandContext(t.Context(), python, path)
	text, err := cmd.CombinedOutput()
	if err != nil {
		require.ErrorAs(t, err, new(*exec.ExitError), "%s", text)
	}
	return cmd.ProcessState.ExitCode(), strings.TrimSpace(string(text))
}

// A finding in each of the caches with a planted fault, as a worker: its script fails
// as the finding did, and passes in the sound cache.
func TestReproduceScripts(t *testing.T) {
	interpreter, slidefuzz := python(t), slidefuzzCommand(t)
	type planted struct{ bad, sound, failed string }
	all := []planted{
		{"go/ring-wraps-early", "go/ring", "expected token 3, found token 0 of keys"},
	}
	if !testing.Short() {
		all = append(all,
			planted{"roll-as-written/fused/sim", "roll/fused/sim", "accepted, and must be refused"},
			planted{"go/cells-one-mask", "go/cells", "must see the positions [0], and is given [0, 1]"},
			planted{"reset-length/fused/sim", "roll/fused/sim", "expected token 1, found nothing (zeros)"},
			planted{"go/beams-never-evicts", "go/beams", "rows after 5 tokens in a window of 1"},
			planted{"go/double-ring-one-row-short", "go/double-ring", "must see the positions"},
			planted{"go/pages-writes-shared", "go/pages", "found token"},
			planted{"go/aligned-copies-16-bytes", "go/aligned", "expected token 0"})
	}
	for _, x := range all {
		out := t.TempDir()
		command := exec.CommandContext(t.Context(), slidefuzz, "hunt", "--exec", slidefuzz+" worker "+x.bad, "--seed", "1", "--cases", "600", "--shrink-time", "5s", "-o", out)
		text, err := command.CombinedOutput()
		require.ErrorAs(t, err, new(*exec.ExitError), "%s", text)
		found, err := filepath.Glob(filepath.Join(out, "*", report.ReproduceName))
		require.NoError(t, err)
		require.NotEmpty(t, found, "%s: %s", x.bad, text)
		failed := ""
		for _, path := range found {
			script, err := os.ReadFile(path)
			require.NoError(t, err)
			status, said := runScript(t, interpreter, script)
			require.Equal(t, 1, status, "%s: %s", x.bad, said)
			require.Contains(t, said, "FAILED in run ", x.bad)
			failed += said
			mended := strings.Replace(string(script), `"`+x.bad+`"`, `"`+x.sound+`"`, 1)
			require.NotEqual(t, string(script), mended)
			status, said = runScript(t, interpreter, []byte(mended))
			require.Zero(t, status, "%s: %s", x.sound, said)
		}
		require.Contains(t, failed, x.failed, x.bad)
	}
}

// The script's own judgement is slidefuzz's: sound caches pass it on random cases, of
// each element type.
func TestReproduceScriptOfSoundCaches(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: twenty workers")
	}
	interpreter, slidefuzz := python(t), slidefuzzCommand(t)
	for i, x := range []struct {
		target, contract string
		can              []corpus.Capability
	}{
		{"roll/fused/sim", "single", []corpus.Capability{corpus.CanCrop, corpus.CanSnapshot}},
		{"go/cells", "chunks", []corpus.Capability{corpus.CanCrop}},
		{"go/pages", "chunks", []corpus.Capability{corpus.CanSelect}},
		{"go/beams", "chunks", []corpus.Capability{corpus.CanCrop, corpus.CanCropEach, corpus.CanRagged, corpus.CanSelect}},
	} {
		for d := range 5 {
			r := rand.New(rand.NewPCG(uint64(i), uint64(d)))
			c := &corpus.Case{Shape: impls.Shape{Batch: 2, Heads: 2, Window: 3, Dim: 8, DType: impls.DType(d)}}
			c.Target.Update = "x"
			for range 40 {
				c.Ops = append(c.Ops, drawOp(r, x.can))
			}
			if x.contract == "chunks" {
				c.Ops = append(c.Ops, corpus.Op{Kind: corpus.Append, N: 3, Dim: 5})
			}
			rep := report.Report{Case: c, Divergence: &corpus.Divergence{Op: len(c.Ops), OpKind: "append", Tensor: "keys", Fault: corpus.FaultRows}}
			script := rep.Python(report.Foreign{Command: []string{slidefuzz, "worker", x.target}, Contract: x.contract, Select: true, Seconds: 60})
			status, said := runScript(t, interpreter, script)
			require.Zero(t, status, "%s, %s: %s", x.target, c.Shape.DType, said)
		}
	}
}

// The script of the worker for PyTorch's updates needs PyTorch alone, passes on the
// sound update, and fails once its copy of the update is wrong.
func TestTorchScript(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: importing PyTorch takes seconds, and is done three times")
	}
	interpreter := ""
	for _, path := range []string{"python3", "/usr/bin/python3"} { // Debian's PyTorch is that of its own Python
		if exec.CommandContext(t.Context(), path, "-c", "import torch").Run() == nil {
			interpreter = path
		}
	}
	if interpreter == "" {
		t.Skip("NO SCRIPT OF PYTORCH IS RUN: there is no torch here")
	}
	readKit(t)
	w := &worker.Client{Args: []string{interpreter, filepath.Join(kit, "torch_cache.py"), "--update", "cat"}}
	t.Cleanup(w.Kill)
	text := "slidefuzz case v1\nshape batch=1 heads=2 window=4 dim=3 dtype=BF16 layout=heads-first\ntarget worker/x\nblock 1\nschedule native\n" +
		"append 3\nappend 2\nappend 1\nappend 1\nappend 1 dim=5\nreset\nappend 9\nappend 1\n"
	script, err := w.Reproducer(t.Context(), []byte(text), inplace.Program{}, "")
	require.NoError(t, err)
	require.Equal(t, "repro.py", script.Name)
	require.NotContains(t, string(script.Text), "slidefuzz_worker")
	require.Contains(t, string(script.Text), "UPDATES = [3, 1, 1, 0, 9, 1]", "what the guard refuses is left out")
	status, out := runScript(t, interpreter, script.Text)
	require.Zero(t, status, out)
	require.Contains(t, out, "wrong in 0 of 20 runs")
	wrong := strings.Replace(string(script.Text), "x[:, :, 1:, :], new", "x[:, :, :-1, :], new", 1)
	status, out = runScript(t, interpreter, []byte(wrong))
	require.Equal(t, 1, status, out)
	require.Contains(t, out, "FAILED after update 3 (1 tokens): 18 cells of keys are wrong; entry 0, head 0, row 0 holds [1.0, 2.0, 3.0], expected [7.0, 8.0, 9.0]")

	// Of another fault it has none, and the report has the script for any worker.
	_, err = w.Reproducer(t.Context(), []byte(text+"expect op=1 tensor=- fault=refused\n"), inplace.Program{}, "")
	require.ErrorContains(t, err, "another fault")
}

// drawOp draws an operation for two entries; most caches refuse some.
func drawOp(r *rand.Rand, can []corpus.Capability) corpus.Op {
	o := corpus.Op{Kind: corpus.Append, N: r.IntN(5)}
	n := r.IntN(3 + len(can))
	if n < 3 {
		return o
	}
	two := []int{r.IntN(4), r.IntN(4)}
	switch can[n-3] {
	case corpus.CanCrop:
		return corpus.Op{Kind: corpus.Crop, N: r.IntN(8)}
	case corpus.CanCropEach:
		return corpus.Op{Kind: corpus.Crop, Each: two}
	case corpus.CanRagged:
		return corpus.Op{Kind: corpus.Append, N: max(two[0], two[1]), Each: two}
	case corpus.CanSelect:
		return corpus.Op{Kind: corpus.Select, Each: []int{r.IntN(2), r.IntN(2)}}
	}
	return corpus.Op{Kind: corpus.Snapshot, N: 0}
}
