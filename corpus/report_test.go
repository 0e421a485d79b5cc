package corpus

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
)

// raced is the case of the design page with its divergence, put together by
// hand: this package runs nothing.
func raced(t *testing.T) Report {
	t.Helper()
	c, err := Parse("page", []byte(page), 0)
	require.NoError(t, err)
	p := impls.Program{
		Buffers: []impls.Buffer{{Name: "x", Rows: 2}, {Name: "new", Rows: 1}},
		Stmts:   []impls.Stmt{impls.Assign("x", 0, 2, impls.Cat(impls.View("x", 1, 2), impls.View("new", 0, 1)))},
	}
	plan := impls.Compile(p, impls.DropWAR, c.Shape, 1)
	h, found := plan.Kernels[0].Hazard()
	require.True(t, found)
	d := &Divergence{
		Op: 2, OpKind: "append", Tensor: "keys", Where: "returned", Fault: FaultRows, Wrong: 1, Want: "token 1", Got: "token 2",
		Race: &Race{Hazard: h, Kernel: plan.Kernels[0], Plan: plan, Order: []int32{1, 0}, HazardRow: 1, Names: []string{"keys", "new"}},
	}
	return Report{Case: c, Divergence: d, Versions: []string{"slidefuzz <test>"}}
}

func TestReportFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "report")
	require.NoError(t, raced(t).WriteDir(dir))
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return string(b)
	}
	require.Equal(t, page, read("case.txt"))
	for _, want := range []string{
		"row 0 holds token 1", "it holds token 2", "Block 1 overwrites row 1 of keys while block 0 has yet to read it",
		"slidefuzz replay case.txt", "slidefuzz <test>", "schedule descending",
	} {
		require.Contains(t, read("README.md"), want)
	}
	html := read("window.html")
	require.Contains(t, html, "slidefuzz &lt;test&gt;", "text is escaped")
	require.Contains(t, html, `name="viewport"`)
	require.Contains(t, html, "marker-end", "the arrow from block to block")
	require.NotContains(t, html, "http", "the page fetches nothing")
	dec := xml.NewDecoder(strings.NewReader(html))
	dec.Strict, dec.AutoClose, dec.Entity = false, xml.HTMLAutoClose, xml.HTMLEntity
	for {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// The test in the folder needs nothing but Go, and fails as long as the order
// breaks the kernel.
func TestReportTestStandsAlone(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: builds a test")
	}
	dir := t.TempDir()
	r := raced(t)
	goTest := func() (string, error) {
		require.NoError(t, r.WriteDir(dir))
		cmd := exec.CommandContext(t.Context(), "go", "test", "replay_test.go")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	out, err := goTest()
	require.Error(t, err, out)
	require.Contains(t, out, "found what element 0 of storage 1 held, expected element 1 of storage 0")
	r.Divergence.Race.Order = nil // ascending is right for a left shift
	out, err = goTest()
	require.NoError(t, err, out)
}

func TestReportWithoutARace(t *testing.T) {
	c := Decode(nil)
	r := Report{Case: c, Divergence: &Divergence{Op: 1, OpKind: "append", Tensor: "-", Fault: FaultAccepted, Detail: "2 rows after 1"}}
	var b bytes.Buffer
	require.NoError(t, r.WriteHTML(&b))
	require.NotContains(t, b.String(), "<svg")
	test, err := r.goTest()
	require.NoError(t, err)
	require.Contains(t, string(test), "props.Replay(t, `slidefuzz case v1")
}

// A window of thousands of rows is cut to those around the hazard.
func TestReportOfALargeWindow(t *testing.T) {
	r := raced(t)
	s := impls.Shape{Batch: 1, Heads: 1, Window: 4096, Dim: 4, DType: impls.U8}
	p, _ := impls.BuiltinProgram("down-shift", s.Window)
	plan := impls.Compile(p, impls.DropWAR, s, 8)
	h, _ := plan.Kernels[0].Hazard()
	r.Case = r.Case.Clone()
	r.Case.Shape = s
	r.Divergence.Row = 2001
	r.Divergence.Race = &Race{Hazard: h, Kernel: plan.Kernels[0], Plan: plan, HazardRow: 2002, Names: []string{"x"}}
	var b bytes.Buffer
	require.NoError(t, r.WriteHTML(&b))
	require.Contains(t, b.String(), "Rows 1989 to 2012 of 4096 are drawn.")
	require.Less(t, b.Len(), 100_000)
}

// The report of a worker's finding says how often and how small it fails, and
// holds the worker's script and the case that fails alike on sim.
func TestWorkerReport(t *testing.T) {
	r := raced(t)
	r.Worker, r.ScriptName, r.Script = "python3 worker.py", "repro.py", []byte("import torch\n")
	sim := r.Case.Clone()
	r.Divergence.Sim = sim
	r.Divergence.Runs = &Runs{Of: 20, Wrong: 7, Least: 1, Most: 3}
	dir := t.TempDir()
	require.NoError(t, r.WriteDir(dir))
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return string(b)
	}
	for _, want := range []string{
		"wrong in 7 of 20 runs, 1 to 3 cells", "The smallest shape at which it was seen to fail: batch 1, heads 1, dim 1, F32, window 2.",
		"slidefuzz replay --exec 'python3 worker.py' case.txt", "slidefuzz replay sim.txt", "the check that drop-war stands for (pytorch#159855)",
		"import torch",
	} {
		require.Contains(t, read("README.md"), want)
	}
	require.NotContains(t, read("README.md"), "Here the order is part of the case", "the worker has an order of its own")
	require.Equal(t, string(sim.Text()), read("sim.txt"))
	require.Equal(t, "import torch\n", read("repro.py"))
	require.NoFileExists(t, filepath.Join(dir, "replay_test.go"))

	r.Worker = "'/with spaces/python3' worker.py"
	r.Divergence.Smallest = r.Case.Clone()
	r.Divergence.Smallest.Shape.Heads = 7
	require.NoError(t, r.WriteDir(dir))
	require.Contains(t, read("README.md"), `slidefuzz replay --exec "'/with spaces/python3' worker.py" case.txt`)
	require.Contains(t, read("README.md"), "seen to fail: batch 1, heads 7, dim 1, F32, window 2; it failed there in few runs.")
}
