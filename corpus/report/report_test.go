package report

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"go/ast"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"

	goparser "go/parser"

	"github.com/stretchr/testify/require"

	"github.com/slidefuzz/slidefuzz/impls"
)

// raced is the case of the design page with its divergence, put together by
// hand: this package runs nothing.
func raced(t *testing.T) Report {
	t.Helper()
	c, err := corpus.Parse("page", []byte(designPage), 0)
	require.NoError(t, err)
	p := inplace.Program{
		Buffers: []inplace.Buffer{{Name: "x", Rows: 2}, {Name: "new", Rows: 1}},
		Stmts:   []inplace.Stmt{inplace.Assign("x", 0, 2, inplace.Cat(inplace.View("x", 1, 2), inplace.View("new", 0, 1)))},
	}
	plan := inplace.Compile(p, inplace.DropWAR, c.Shape, 1)
	h, found := plan.Kernels[0].Hazard()
	require.True(t, found)
	d := &corpus.Divergence{
		Op: 2, OpKind: "append", Tensor: "keys", Where: "returned", Fault: corpus.FaultRows, Wrong: 1, Want: "token 1", Got: "token 2",
		Race: &corpus.Race{Hazard: h, Kernel: plan.Kernels[0], Plan: plan, Order: []int32{1, 0}, HazardRow: 1, Names: []string{"keys", "new"}},
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
	require.Equal(t, designPage, read("case.txt"))
	for _, want := range []string{
		"row 0 holds token 1", "it holds token 2", "Block 1 overwrites row 1 of keys while block 0 has yet to read it",
		"slidefuzz replay case.txt", "slidefuzz <test>", "schedule descending",
	} {
		require.Contains(t, read("README.md"), want)
	}
	html := read("report.html")
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

// inFolder writes a report and gives a reader of its files.
func inFolder(t *testing.T, r Report) (dir string, read func(name string) string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "report")
	require.NoError(t, r.WriteDir(dir))
	return dir, func(name string) string {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		return string(b)
	}
}

// natively is a report as of a device that orders the blocks itself, wrong in k
// of 20 runs, with the same race on sim.
func natively(t *testing.T, device string, k int) Report {
	t.Helper()
	r := raced(t)
	r.Divergence.Sim = r.Case.Clone()
	r.Divergence.Sim.Expect = r.Divergence.Expect()
	r.Case = r.Case.Clone()
	r.Case.Target.Device, r.Case.Schedule = device, inplace.Schedule{Kind: inplace.Native}
	// The case that was found is larger than what was made of it on sim.
	r.Case.Shape.Window = 7
	r.Divergence.Row, r.Divergence.Lane = 5, 1
	r.Divergence.Runs = &corpus.Runs{Of: 20, Wrong: k, Least: 1, Most: 3}
	return r
}

// goTest runs the test of a folder as its page says.
func runGoTest(t *testing.T, dir string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "test")
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// The test in the folder needs nothing but Go, and fails. It is in a module of
// its own: the tests of a module around it are not its concern.
func TestReportTestStandsAlone(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: builds a test")
	}
	around := t.TempDir()
	dir := filepath.Join(around, "reports", "one")
	require.NoError(t, raced(t).WriteDir(dir))
	out, err := runGoTest(t, dir)
	require.Error(t, err, out)
	require.Contains(t, out, "found what element 0 of storage 1 held, expected element 1 of storage 0")

	require.NoError(t, os.WriteFile(filepath.Join(around, "go.mod"), []byte("module around\n\ngo 1.22\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(around, "around.go"), []byte("package around\n"), 0o644))
	cmd := exec.CommandContext(t.Context(), "go", "test", "./...")
	cmd.Dir = around
	b, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", b)
}

// A test is written where it fails on the finding, and nowhere else.
func TestReportHasATestThatFailsOrNone(t *testing.T) {
	simple := func(device string, f corpus.Fault) Report {
		c := corpus.Decode(nil)
		c.Target.Device = device
		return Report{Case: c, Divergence: &corpus.Divergence{Op: 1, OpKind: "append", Tensor: "-", Fault: f, Detail: "2 rows after 1"}}
	}
	counted := func(k int) Report {
		r := simple("host", corpus.FaultAccepted)
		r.Divergence.Runs = &corpus.Runs{Of: 20, Wrong: k}
		return r
	}
	changed := func(r Report, change func(r *Report)) Report {
		change(&r)
		return r
	}
	for name, x := range map[string]struct {
		r      Report
		frozen bool
		has    string // of the test, empty for none
		none   string
	}{
		"a race on sim":            {raced(t), true, "var order = []int{1, 0}", ""},
		"a forced order on a GPU":  {changed(raced(t), func(r *Report) { r.Case = r.Case.Clone(); r.Case.Target.Device = "cuda" }), true, "var order = []int{1, 0}", ""},
		"an order that goes right": {changed(raced(t), func(r *Report) { r.Divergence.Race.Order = nil }), false, "schedule descending", ""},
		"a long kernel": {changed(raced(t), func(r *Report) {
			s := impls.Shape{Batch: 1, Heads: 1, Window: maxTestCells + 2, Dim: 1}
			p, _ := window.BuiltinProgram("down-shift", s.Window)
			r.Divergence.Race.Plan = inplace.Compile(p, inplace.DropWAR, s, maxTestCells)
			r.Divergence.Race.Kernel = r.Divergence.Race.Plan.Kernels[0]
		}), false, "schedule descending", ""},
		"found on host, on sim too":      {natively(t, "host", 3), true, "var order = []int{1, 0}", ""},
		"found on a GPU, on sim too":     {natively(t, "opencl", 3), true, "var order = []int{1, 0}", ""},
		"found on host alone":            {changed(natively(t, "host", 3), func(r *Report) { r.Divergence.Sim, r.Divergence.Race = nil, nil }), false, "", "does not fail in every run"},
		"on host alone, each time":       {changed(natively(t, "host", 20), func(r *Report) { r.Divergence.Sim, r.Divergence.Race = nil, nil }), false, "schedule native", ""},
		"a race on host, its order lost": {changed(natively(t, "host", 3), func(r *Report) { r.Divergence.Sim, r.Divergence.Runs = nil, nil }), false, "", "does not fail in every run"},
		"found on a GPU alone":           {changed(natively(t, "opencl", 20), func(r *Report) { r.Divergence.Sim, r.Divergence.Race = nil, nil }), false, "", "needs the device"},
		"a worker's":                     {changed(natively(t, "host", 20), func(r *Report) { r.Worker = "./w" }), false, "", "needs the worker"},
		"no race, sim":                   {simple("sim", corpus.FaultAccepted), false, "props.Replay(t, `slidefuzz case v1", ""},
		"no race, host":                  {simple("host", corpus.FaultAccepted), false, "props.Replay(t, `slidefuzz case v1", ""},
		"no race, host, each time":       {counted(20), false, "props.Replay(t, `slidefuzz case v1", ""},
		"no race, host, sometimes":       {counted(19), false, "", "does not fail in every run"},
		"a crash":                        {simple("cuda", corpus.FaultCrash), false, "", "takes down"},
		"a hang":                         {simple("cuda", corpus.FaultHang), false, "", "takes down"},
		"more than a test's memory": {changed(simple("sim", corpus.FaultAccepted), func(r *Report) {
			r.Case.Shape.Window, r.Case.Shape.Dim = 1<<20, 1<<10
		}), false, "", "more memory"},
	} {
		t.Run(name, func(t *testing.T) {
			test, err := x.r.goTest()
			require.NoError(t, err)
			require.Equal(t, x.frozen, test.Frozen)
			if x.has == "" {
				require.Nil(t, test.Source)
			}
			require.Contains(t, string(test.Source), x.has)
			require.Contains(t, test.None, x.none)
			require.Equal(t, x.has == "", x.none != "")
			dir, read := inFolder(t, x.r)
			_, err = os.Stat(filepath.Join(dir, "go.mod"))
			_, err2 := os.Stat(filepath.Join(dir, "replay_test.go"))
			require.Equal(t, test.Source != nil, err == nil)
			require.Equal(t, test.Source != nil, err2 == nil)
			require.Equal(t, test.Source != nil, strings.Contains(read("README.md"), "\ngo test "), "the page names a command that is not there")
			require.Contains(t, read("README.md"), x.none)
		})
	}
}

// A frozen model that fails does so with the words of the race; the moves in it
// are those that the report ran, so both agree.
func TestFrozenFollowsTheOrder(t *testing.T) {
	race := raced(t).Divergence.Race
	for _, x := range []struct {
		order []int32
		fails bool
	}{{[]int32{1, 0}, true}, {[]int32{0, 1}, false}, {nil, false}} {
		race.Order = x.order
		f, ok := freeze(race)
		require.True(t, ok)
		require.Equal(t, x.fails, f.fails(), "%v", x.order)
		require.Equal(t, x.fails, strikes(race), "%v", x.order)
	}
	race.Order = []int32{1, 0}
	f, _ := freeze(race)
	want, got := f.run()
	require.Equal(t, element{0, 1}, want[element{0, 0}])
	require.Equal(t, element{1, 0}, got[element{0, 0}], "block 1 had put the new row there")
}

// A folder holds the files of its report and not those of one before it; one that
// is a module of somebody else is left alone.
func TestReportFolderOfAnEarlierReport(t *testing.T) {
	r := natively(t, "host", 3)
	dir, _ := inFolder(t, r)
	require.FileExists(t, filepath.Join(dir, "go.mod"))
	require.FileExists(t, filepath.Join(dir, "sim.txt"))
	r.Divergence.Sim, r.Divergence.Race = nil, nil
	require.NoError(t, r.WriteDir(dir))
	for _, name := range []string{"go.mod", "replay_test.go", "sim.txt"} {
		require.NoFileExists(t, filepath.Join(dir, name))
	}

	mod := []byte("module mine\n")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), mod, 0o644))
	require.ErrorContains(t, raced(t).WriteDir(dir), "another module")
	kept, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	require.NoError(t, err)
	require.Equal(t, mod, kept)
	require.NoFileExists(t, filepath.Join(dir, "replay_test.go"))
}

// A device that orders the blocks itself fails in some of its runs; an order that
// fails every time is that of the case on sim, and what is drawn is that case.
func TestReportOfANativeOrder(t *testing.T) {
	for _, device := range []string{"host", "cuda-graph", "opencl"} {
		r := natively(t, device, 7)
		_, read := inFolder(t, r)
		page, html := read("README.md"), read("report.html")
		for _, want := range []string{
			"The device chose the order of the blocks here. It failed in 7 of 20 runs." + map[string]string{"host": " How many depends on what else the machine does."}[device],
			"sim.txt is the same race as a small case with an order",
			"The order of `sim.txt`:", "1. Block 1 runs (number 1 of 2): writes row 1 of keys\n1. Block 0 runs (number 2 of 2): reads row 1 of keys",
			"slidefuzz replay case.txt               # 7 of 20 runs failed\n",
			"slidefuzz replay sim.txt                # the same race in a fixed order: fails every time\n",
		} {
			require.Contains(t, page, want, device)
		}
		for _, not := range []string{"the same wrong bytes", "every run.", "the same outcome", "slidefuzz minimize"} {
			require.NotContains(t, page, not, device)
		}
		require.Equal(t, string(r.Divergence.Sim.Text()), read("sim.txt"))
		require.Contains(t, html, "The rows of sim.txt")
		require.Contains(t, html, "row 1<")
		require.NotContains(t, html, "row 2<", "sim.txt has two rows")
		require.Contains(t, html, "what row 0 of new held", "that is what its order leaves in row 0")

		// Nothing on sim: no order is known, and none is listed.
		r.Divergence.Sim, r.Divergence.Race = nil, nil
		_, read = inFolder(t, r)
		page = read("README.md")
		require.Contains(t, page, "It failed in 7 of 20 runs. No two blocks of a kernel conflict here")
		for _, not := range []string{"The order", "number 1 of", "every run.", "sim.txt", "slidefuzz minimize"} {
			require.NotContains(t, page, not, device)
		}
		require.Contains(t, read("report.html"), "row 5<")

		r.Divergence.Runs.Wrong = 20
		require.Contains(t, r.Explanation(), "It failed in each of 20 runs.")
	}
	// A race of which no order is known: what would be drawn up as one is not.
	r := natively(t, "host", 7)
	r.Divergence.Sim, r.Divergence.Runs = nil, nil
	require.Empty(t, r.Steps(), "an order that was asked for and not followed")
	r.Divergence.Race.Order = nil
	require.Empty(t, r.Steps(), "ascending is not what ran")
	require.Contains(t, r.Explanation(), "How often it fails was not counted.")
	require.NotContains(t, r.Explanation(), "come out every time")
	// An order in which the two blocks come right is none that shows the race.
	r = raced(t)
	require.Len(t, r.Steps(), 2)
	r.Divergence.Race.Order = nil
	require.Empty(t, r.Steps())
}

func TestReportWithoutARace(t *testing.T) {
	c := corpus.Decode(nil)
	r := Report{Case: c, Divergence: &corpus.Divergence{Op: 1, OpKind: "append", Tensor: "-", Fault: corpus.FaultAccepted, Detail: "2 rows after 1"}}
	_, read := inFolder(t, r)
	require.NotContains(t, read("report.html"), "<svg")
	require.NotContains(t, read("README.md"), "report.html")
	require.Contains(t, read("README.md"), "shows in every run")
	require.Contains(t, read("README.md"), "\ngo get github.com/slidefuzz/slidefuzz/props@latest\ngo test ")
	for version, want := range map[string]string{
		"v1.2.3": "v1.2.3", "v1.2.3-rc.1": "v1.2.3-rc.1",
		"": "latest", "(devel)": "latest", "v1.2.3+dirty": "latest", "v0.0.0-20260101000000-0123456789ab": "latest",
		"v1.2.4-0.20260101000000-0123456789ab": "latest", "unknown": "latest", "v1.2.3; true": "latest",
	} {
		r.ModuleVersion = version
		require.Equal(t, want, r.version(), version)
	}
}

// A row of a long chunk, which is returned whole, lies outside the window; one of
// a program in its buffer.
func TestPictureWithoutARace(t *testing.T) {
	c := corpus.Decode(nil)
	c.Shape.Window, c.Ops = 2, []corpus.Op{{Kind: corpus.Append, N: 9}}
	d := &corpus.Divergence{Op: 1, OpKind: "append", Tensor: "keys", Where: "returned", Fault: corpus.FaultRows, Row: 7, Want: "token 7", Got: "token 1"}
	f := Report{Case: c, Divergence: d}.figures()
	require.Len(t, f, 1)
	require.Len(t, f[0].Rows, 9)
	require.True(t, f[0].Rows[7].Wrong)
	require.Equal(t, "token 7", f[0].Rows[7].Expected.Text)
	require.Equal(t, "token 1", f[0].Rows[7].Found.Text)
	c = corpus.DecodeProgram(nil)
	d = &corpus.Divergence{Op: 1, OpKind: "statement", Tensor: "x", Where: "stored", Fault: corpus.FaultRows, Want: "a", Got: "b"}
	require.Len(t, Report{Case: c, Divergence: d}.figures()[0].Rows, c.Program.Buffers[0].Rows)
}

// What the judge saw is drawn: every row with its token, and each lane with wrong rows;
// what is left out is counted.
func TestFiguresOfWhatWasSeen(t *testing.T) {
	c := corpus.Decode(nil)
	d := &corpus.Divergence{Op: 1, OpKind: "append", Tensor: "values", Where: "returned", Fault: corpus.FaultRows, Lane: 1, Row: 4, Want: "token 4", Got: "token 9"}
	d.Seen = &corpus.Seen{Rows: 100, Lanes: 8, WrongLanes: 3, Claimed: true, Drawn: []corpus.SeenLane{
		{Lane: 1, Wrong: 5, Rows: []corpus.SeenRow{{Row: 3, Position: 3, Want: "token 3"}, {Row: 4, Position: 4, Want: "token 4", Got: "token 9, " + strings.Repeat("which is long ", 9), Wrong: true}, {Row: 9, Position: -1}}},
		{Lane: 6, Wrong: 1, Rows: []corpus.SeenRow{{Row: 4, Position: 4, Want: "token 4", Got: "nothing (zeros)", Wrong: true}}},
	}}
	f := Report{Case: c, Divergence: d}.figures()
	require.Len(t, f, 2)
	require.Equal(t, "Lane 1 of values", f[0].Caption)
	require.Equal(t, "3 of 100 rows are drawn. 4 more rows of this lane are wrong.", f[0].Cut)
	require.Equal(t, "1 of 100 rows are drawn. 1 more of the 8 lanes have wrong rows and are not drawn.", f[1].Cut)
	require.Equal(t, "pos 3: token 3", f[0].Rows[0].Expected.Text)
	require.Equal(t, "the same", f[0].Rows[0].Found.Text)
	require.True(t, strings.HasSuffix(f[0].Rows[1].Found.Text, "…"))
	require.Contains(t, f[0].Rows[1].Found.Full, "which is long")
	require.True(t, f[0].Rows[2].Gap, "rows 5 to 8 are left out")
	require.False(t, f[0].Rows[2].Judged, "it may hold anything")
	require.Zero(t, f[0].Blocks.Width)
}

// Blocks side by side in a row: the ends, those that race, and gaps between.
func TestShorten(t *testing.T) {
	none := func(int) bool { return false }
	require.Equal(t, []int{0, 1, 2}, shorten(3, 3, none))
	require.Equal(t, []int{0, 1, 2, 3, -1, 99}, shorten(100, 6, none))
	require.Equal(t, []int{0, 1, -1, 50, -1, 99}, shorten(100, 6, func(i int) bool { return i == 50 }))
	require.Equal(t, []int{0, -1, 50, -1, 60, -1, 99}, shorten(100, 5, func(i int) bool { return i == 50 || i == 60 }))
	require.Equal(t, []int{0, 1, 2, 3, -1, 7}, shorten(8, 6, func(i int) bool { return i == 3 }), "one alone is shown")
	s := segments([]int{7, 8, 9}, column{100, 90}, func(b int) string { return map[int]string{8: "writes", 9: "reads"}[b] })
	require.Equal(t, []segment{{100, 27, "7", 3, ""}, {130, 27, "8 W", 0, "writes"}, {160, 27, "9 R", 1, "reads"}}, s)
}

// A row that several blocks write, one of which another row has too.
func TestBlocksOfARow(t *testing.T) {
	r := raced(t)
	s := impls.Shape{Batch: 1, Heads: 1, Window: 3, Dim: 5, DType: impls.U8}
	p, _ := window.BuiltinProgram("down-shift", s.Window)
	plan := inplace.Compile(p, inplace.DropWAR, s, 2)
	race := r.Divergence.Race
	race.Plan, race.Kernel = plan, plan.Kernels[0]
	storage, offset := race.Kernel.Destination(0)
	_, row, _ := plan.Cell(storage, offset)
	require.Equal(t, []int{0, 1, 2}, blocksOf(race, s.Dim, storage, 0, row))
	require.Equal(t, []int{2, 3, 4}, blocksOf(race, s.Dim, storage, 0, row+1))
}

// The strip goes through the operations as the cache answered them: what was refused
// or left out changes nothing, and takes serials only where tokens were handed over.
func TestStrip(t *testing.T) {
	c, err := corpus.Parse("strip", []byte("slidefuzz case v1\nshape batch=2 heads=1 window=3 dim=1 dtype=U8 layout=heads-first\ntarget worker/x\nblock 1\nschedule native\n"+
		"append 4\ncrop 1\nappend 2\nsnapshot 0\nselect 0,0\nreset\nappend 1\nrestore 0\nappend 1 pad=1,0\n"), 0)
	require.NoError(t, err)
	const yes, no = corpus.Accepted, corpus.Refused
	d := &corpus.Divergence{Op: 9, OpKind: "append", Tensor: "keys", Fault: corpus.FaultRows, Lane: 0, Said: []corpus.Said{yes, yes, no, yes, corpus.NotAsked, yes, yes, yes, yes}}
	s := Report{Case: c, Divergence: d}.strip()
	var got []string
	for _, l := range s.Lines {
		line := l.Label + l.Note
		for _, x := range l.Cells {
			line += " " + x.Text + x.Kind[:1]
		}
		got = append(got, line)
	}
	require.Equal(t, []string{
		"op 1: append 4 1n 2n 3n", "op 2: crop 1 0o ·e ·e", "op 3: append 2refused 0o ·e ·e", "op 4: snapshot 0 0o ·e ·e", "op 5: select 0,0left out 0o ·e ·e",
		"op 6: reset ·e ·e ·e", "op 7: append 1 6n ·e ·e", "op 8: restore 0 0o ·e ·e", "op 9: append 1 pad=1,0 0o pado ·e",
	}, got)
	require.True(t, s.Lines[8].Fault)
	require.Zero(t, s.Skipped)
	d.Said = nil
	require.Nil(t, Report{Case: c, Divergence: d}.strip(), "nobody knows what was accepted")
}

// A window of thousands of rows is cut to those around the hazard.
func TestReportOfALargeWindow(t *testing.T) {
	r := raced(t)
	s := impls.Shape{Batch: 1, Heads: 1, Window: 4096, Dim: 4, DType: impls.U8}
	p, _ := window.BuiltinProgram("down-shift", s.Window)
	plan := inplace.Compile(p, inplace.DropWAR, s, 8)
	h, _ := plan.Kernels[0].Hazard()
	r.Case = r.Case.Clone()
	r.Case.Shape = s
	r.Divergence.Row, r.Divergence.Tensor = 2001, "x"
	r.Divergence.Race = &corpus.Race{Hazard: h, Kernel: plan.Kernels[0], Plan: plan, HazardRow: 2002, Names: []string{"x"}}
	var b bytes.Buffer
	require.NoError(t, r.WriteHTML(&b))
	require.Contains(t, b.String(), "24 of 4096 rows are drawn.")
	require.Less(t, b.Len(), 100_000)
}

// The report of a worker's finding says how often and how small it fails, and
// holds the worker's script and the case that fails alike on sim.
func TestWorkerReport(t *testing.T) {
	r := raced(t)
	r.Worker, r.ScriptName, r.Script = "python3 worker.py", "repro.py", []byte("import torch\n")
	sim := r.Case.Clone()
	r.Divergence.Sim = sim
	r.Divergence.Runs = &corpus.Runs{Of: 20, Wrong: 7, Least: 1, Most: 3}
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
		"looks like a WAR hazard in keys", "no proof of the same cause",
		"import torch", "They are for a shell in the folder of this report. The worker's command runs in\n",
	} {
		require.Contains(t, read("README.md"), want)
	}
	require.Contains(t, read(PageName), `How to run it again: <a href="README.md">`)
	require.NotContains(t, read("README.md"), "Here the order is part of the case", "the worker has an order of its own")
	require.Contains(t, read("README.md"), "There is no Go test here: the fault needs the worker")
	require.Equal(t, string(sim.Text()), read("sim.txt"))
	require.Equal(t, "import torch\n", read("repro.py"))
	require.NoFileExists(t, filepath.Join(dir, "replay_test.go"))
	require.NotContains(t, read("README.md"), "a smaller one may")
	r.Unfinished = "not shrunk to its end in 20.0s"
	require.NoError(t, r.WriteDir(dir))
	require.Contains(t, read("README.md"), "F32, window 2.\n\nThe case was not shrunk to its end in 20.0s: a smaller one may fail too.\n\n## Why")

	r.Folder, r.Here, r.Env = "../..", "reports/-one's", []string{"PYTHONPATH=lib:.", "XLA_FLAGS=--a --b"}
	require.NoError(t, r.WriteDir(dir))
	require.Contains(t, read("README.md"), "\n(cd ../.. && PYTHONPATH=lib:. XLA_FLAGS='--a --b' slidefuzz replay --exec 'python3 worker.py' \"reports/-one's/case.txt\")  # 7 of 20")
	require.Contains(t, read("README.md"), "\nslidefuzz replay sim.txt ")
	r.Here = "-one"
	require.NoError(t, r.WriteDir(dir))
	require.Contains(t, read("README.md"), " ./-one/case.txt)  # 7 of 20")
	r.Folder, r.Here, r.Env = "", "", nil

	r.Worker = "'/with spaces/python3' worker.py"
	r.Divergence.Smallest = r.Case.Clone()
	r.Divergence.Smallest.Shape.Heads = 7
	require.NoError(t, r.WriteDir(dir))
	require.Contains(t, read("README.md"), `slidefuzz replay --exec "'/with spaces/python3' worker.py" case.txt  # 7 of 20 runs failed`)
	require.Contains(t, read("README.md"), "seen to fail: batch 1, heads 7, dim 1, F32, window 2; it failed there in few runs.")
}

// One row, one run and none are told as such.
func TestNumbersInWords(t *testing.T) {
	r := raced(t)
	r.Worker = "./w"
	r.Case.Program.Buffers = []inplace.Buffer{{Name: "x", Rows: 1}, {Name: "y", Rows: 2}}
	require.Contains(t, r.Extent(), ", 1 row of x, 2 rows of y")
	for want, runs := range map[string]*corpus.Runs{
		"The case below could not be run again: wrong when it was found, and no run since came to its end.": {},
		"The case below was run 1 time: wrong when it was found, and in none of 1 run since.":               {Of: 1},
		"The case below was run 1 time: wrong in 1 of 1 run, 1 cell.":                                       {Of: 1, Wrong: 1, Least: 1, Most: 1},
		"The case below was run 2 times: wrong in 1 of 2 runs, 1 cell.":                                     {Of: 2, Wrong: 1, Least: 1, Most: 1},
	} {
		r.Divergence.Runs = runs
		var page strings.Builder
		require.NoError(t, pageTemplate.Execute(&page, folder{r, goTest{}}))
		require.Contains(t, page.String(), "\n"+want+"\n")
		require.NotContains(t, page.String(), "of 1 runs")
	}
}

// What fails in every run does not vary from run to run.
func TestWorkerThatAlwaysFails(t *testing.T) {
	r := Report{Case: corpus.Decode(nil), Worker: "./w", Divergence: &corpus.Divergence{Op: 1, OpKind: "append", Tensor: "keys", Fault: corpus.FaultRows, Want: "a", Got: "b"}}
	for wrong, want := range map[int]string{20: "It failed in each of 20 runs.", 7: "It failed in 7 of 20 runs.", 0: "in none of 20 runs since."} {
		r.Divergence.Runs = &corpus.Runs{Of: 20, Wrong: wrong, Least: 1, Most: 1}
		require.Contains(t, r.Explanation(), want)
		require.NotContains(t, r.Explanation(), "from run to run")
	}
	r.Divergence.Runs = &corpus.Runs{Of: 20, Wrong: 20, Lost: 2}
	require.Contains(t, r.Explanation(), "It failed in each of 20 runs. 2 more runs were lost to a worker that ended, hung or answered nonsense.")
	r.Divergence.Runs = &corpus.Runs{Lost: 1}
	require.Contains(t, r.Explanation(), "It failed when it was found, and no run since came to its end. 1 more run was lost to a worker that ended, hung or answered nonsense.")
	require.NotContains(t, folder{r, goTest{}}.Commands(), "runs failed")
	r.Divergence.Runs = nil
	require.NotContains(t, r.Explanation(), "runs")
}

// Commands are listed where there is a point in them.
func TestReportCommands(t *testing.T) {
	commands := func(r Report) string { return folder{r, goTest{}}.Commands() }
	r := raced(t)
	require.Equal(t, "slidefuzz replay case.txt               # the same outcome each time\n"+
		"slidefuzz minimize case.txt             # is there a smaller one?\n", commands(r))
	r.Divergence.Fault, r.Divergence.Race = corpus.FaultCrash, nil
	require.Equal(t, "slidefuzz replay case.txt\n", commands(r))
	r.Worker = "./w"
	require.Contains(t, commands(r), "minimize", "a worker that crashes can be asked again")
	r.Divergence.OpKind = corpus.AmongOthers
	require.Contains(t, commands(r), "minimize", "of several programs some may be left out")
	r.Divergence.Fault = corpus.FaultHang
	require.NotContains(t, commands(r), "minimize")
	r = raced(t)
	r.Case = r.Case.Clone()
	r.Case.Shape.Window, r.Case.Shape.Dim = 1<<14, 1<<12
	require.Greater(t, r.Case.Bytes(), int64(corpus.DefaultLimit))
	var mib int64
	_, err := fmt.Sscanf(commands(r), "slidefuzz replay --memory %d case.txt", &mib)
	require.NoError(t, err)
	require.NoError(t, r.Case.Check(mib<<20))
	require.Error(t, r.Case.Check((mib-1)<<20))
}

// A report of a case of an engine names it, and promises no test in Go.
func TestEngineReport(t *testing.T) {
	c, err := corpus.Parse("case", []byte("slidefuzz case v1\nshape window=1\ntarget engine/llama.cpp\n"+
		"model arch=gemma3 kind=visible layers=1 heads=1 kv=1 dim=64 dtype=F32 seed=1\nprompt a 2\n"), 0)
	require.NoError(t, err)
	r := Report{
		Case: c, Engine: "llama.cpp", Worker: "./server --parallel 1",
		Divergence: &corpus.Divergence{Op: 1, OpKind: "forward", Tensor: "sliding", Fault: "stale", Detail: "sees token 0", Runs: &corpus.Runs{Of: 20, Wrong: 20}, Given: []string{"op 1: a gets 0, 1"}},
	}
	dir := t.TempDir()
	require.NoError(t, r.WriteDir(dir))
	page, err := os.ReadFile(filepath.Join(dir, "README.md"))
	require.NoError(t, err)
	for _, want := range []string{
		"slidefuzz replay --engine 'llama.cpp' --exec './server --parallel 1' case.txt",
		"slidefuzz minimize --engine 'llama.cpp'",
		"It failed in each of 20 runs.",
		"window 1, arch=gemma3", "requests 1, tokens 2",
		"There is no Go test here: the fault needs the engine",
		"slidefuzz engine checkpoint ./checkpoint --arch gemma3 --kind visible --window 1 --layers 1 --heads 1 --kv 1 --dim 64 --dtype F32 --seed 1\n",
		"\nop 1: a gets 0, 1\n",
	} {
		require.Contains(t, string(page), want)
	}
	require.NotContains(t, string(page), "order of the blocks")
	require.NoFileExists(t, filepath.Join(dir, "replay_test.go"))
	less := r
	less.Case = c.Clone()
	less.Case.Shape.Window, less.Case.Target = 3, window.EngineTarget("any"+window.OneLess)
	require.Contains(t, less.Checkpoint(), "--window 2", "what the engine is told")
	r.Engine, r.Worker, r.Divergence.Under = "", "", &corpus.Under{Rows: "row 0: token 0", Cache: "x"}
	require.NoError(t, r.WriteDir(dir))
	page, err = os.ReadFile(filepath.Join(dir, "README.md"))
	require.NoError(t, err)
	require.Contains(t, string(page), "slidefuzz replay case.txt")
	require.Contains(t, string(page), "The rows of the engine's cache are named below.")
	require.NotContains(t, string(page), "It is expected to pass")
	r.Divergence.Under.Cache = "slidefuzz case v1\nshape batch=1 heads=1 window=2 dim=1 dtype=F32 layout=heads-first\ntarget roll/fused/sim\nblock 1\nschedule ascending\nappend 1\n"
	require.NoError(t, r.WriteDir(dir))
	page, err = os.ReadFile(filepath.Join(dir, "README.md"))
	require.NoError(t, err)
	require.Contains(t, string(page), "It is expected to pass: its target is a sound one")
}

// hostile is what a worker may say to break out of the page that quotes it.
var hostile = []string{
	"</p><script>alert(1)</script>", "```\n# injected\n```", "~~~\n# injected", "`` ` ``", "`", "a\x1b[31mb", "a\nb", "a\rb\r\n# injected",
	"", "\u202egnp.exe", "\xff\xfe", "x\u2028# injected", "<img src=x onerror=alert(1)>", "![x](http://evil)", "````````", "*/ func init() { panic(1) }",
}

// withoutCode is a page of Markdown without its fences and code spans: what is
// left of it is ours, so nothing foreign may be in it.
func withoutCode(t *testing.T, page string) string {
	t.Helper()
	var left []string
	fence := ""
	for _, line := range strings.Split(page, "\n") {
		ticks := len(line) - len(strings.TrimLeft(line, "`"))
		switch {
		case fence == "" && ticks >= 3 && strings.Trim(line, "`") == "":
			fence = line
		case fence != "":
			if ticks >= len(fence) && strings.Trim(line, "` ") == "" {
				fence = ""
			}
		default:
			left = append(left, line)
		}
	}
	require.Empty(t, fence, "a fence is not closed")
	// A span ends at the first run of exactly as many backticks as began it.
	text := strings.Join(left, "\n")
	var out strings.Builder
	for text != "" {
		at := strings.IndexByte(text, '`')
		if at < 0 {
			break
		}
		out.WriteString(text[:at])
		text = text[at:]
		n := len(text) - len(strings.TrimLeft(text, "`"))
		end := regexp.MustCompile("(^|[^`])" + strings.Repeat("`", n) + "([^`]|$)").FindStringIndex(text[n:])
		require.NotNil(t, end, "a code span is not closed: %q", text)
		stop := strings.Index(text[n+end[0]:], strings.Repeat("`", n))
		text = text[n+end[0]+stop+n:]
	}
	return out.String() + text
}

func TestHostileWordsStayInTheirPlace(t *testing.T) {
	harmless := withoutCode(t, hostilePage(t, "harmless", "harmless"))
	for _, words := range hostile {
		page := hostilePage(t, words, "harmless")
		if words != "" {
			require.Equal(t, harmless, withoutCode(t, page), "%q", words)
		}
		for _, r := range page {
			require.True(t, r == '\n' || r == '\t' || unicode.IsPrint(r), "%q: %q", words, r)
		}
	}
	// A script may hold tabs and new lines, and loses neither.
	require.Contains(t, hostilePage(t, "harmless", "if x:\n\ty()\n```\n"), "````\nif x:\n\ty()\n```\n````\n")
}

// commented is a case whose file holds words behind a #.
func commented(words string) *corpus.Case {
	c := corpus.Decode(nil)
	c.Expect = &corpus.Expect{OK: true}
	read, err := corpus.Parse("commented", []byte(string(c.Text())+"# "+strings.ReplaceAll(words, "\n", "\n# ")), 0)
	if err != nil {
		panic(err)
	}
	return read
}

// hostilePage is the page of a finding where a worker says words everywhere; its
// script is words too, unless they are harmless.
func hostilePage(t *testing.T, words, script string) string {
	t.Helper()
	if words != "harmless" {
		script = words
	}
	r := Report{
		Case: commented(words), Versions: []string{words}, Worker: words, ScriptName: "repro.py", Script: []byte(script),
		Divergence: &corpus.Divergence{Op: 1, OpKind: "append", Tensor: "-", Fault: corpus.FaultRefused, Detail: words},
	}
	_, read := inFolder(t, r)
	html := read("report.html")
	require.NotContains(t, html, "<script")
	require.NotContains(t, html, "<img")
	for _, c := range html {
		require.True(t, c == '\n' || c == '\t' || unicode.IsPrint(c), "%q", c)
	}
	require.Equal(t, script, read("repro.py"), "the script itself is not touched")
	return read("README.md")
}

// The comment of a Go test is one line, and its case the case, whatever they
// hold.
func TestHostileWordsInAGoTest(t *testing.T) {
	for _, words := range hostile {
		c := commented(words)
		for _, r := range []Report{
			{Case: c, Divergence: &corpus.Divergence{Op: 1, OpKind: "append", Tensor: "-", Fault: corpus.FaultRefused, Detail: words}},
			raced(t),
		} {
			if r.Divergence.Race != nil {
				r.Divergence.Got = words
			}
			test, err := r.goTest()
			require.NoError(t, err, "%q", words)
			file, err := goparser.ParseFile(token.NewFileSet(), "replay_test.go", test.Source, goparser.ParseComments)
			require.NoError(t, err, "%q", words)
			require.Len(t, file.Imports, map[bool]int{true: 1, false: 2}[test.Frozen])
			text := ""
			ast.Inspect(file, func(n ast.Node) bool {
				if f, ok := n.(*ast.FuncDecl); ok {
					require.Contains(t, []string{"TestReplay", "TestOrderOfBlocks"}, f.Name.Name)
				}
				if l, ok := n.(*ast.BasicLit); ok && strings.Contains(l.Value, "slidefuzz case v1") {
					text, err = strconv.Unquote(l.Value)
					require.NoError(t, err)
				}
				return true
			})
			if !test.Frozen {
				require.Equal(t, string(c.Text()), text)
			}
		}
	}
}

// A worker's command is one argument, and the same one, whatever it holds.
func TestShellArg(t *testing.T) {
	shell, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	for _, want := range append(hostile, "'/with spaces/python3' worker.py", `it's "both"`, "$HOME `id` \\ !x", "it's !x", "it's $HOME") {
		out, err := exec.CommandContext(t.Context(), shell, "-c", "printf %s "+shellArg(want)).Output()
		require.NoError(t, err, "%q", want)
		require.Equal(t, want, string(out))
	}
}

// A worker names its script, but none of the report's own files.
func TestScriptFile(t *testing.T) {
	for name, want := range map[string]string{
		"repro.py": "repro.py", "a-b_c.1": "a-b_c.1", "README.md": "script.txt", "Case.TXT": "script.txt", "replay_test.go": "script.txt",
		"go.mod": "script.txt", "../up.py": "script.txt", "a\nb": "script.txt", "`x`": "script.txt", "-rf": "script.txt", "a b": "script.txt",
	} {
		require.Equal(t, want, Report{ScriptName: name}.ScriptFile(), "%q", name)
	}
	r := raced(t)
	r.Worker, r.ScriptName, r.Script = "./w", "case.txt", []byte("not a case\n")
	_, read := inFolder(t, r)
	require.Equal(t, designPage, read("case.txt"))
	require.Equal(t, "not a case\n", read("script.txt"))
	require.Contains(t, read("README.md"), "Without slidefuzz, `script.txt`:")
}

// designPage is the case of the design page.
const designPage = `slidefuzz case v1
shape batch=1 heads=1 window=2 dim=1 dtype=F32 layout=heads-first
target roll/drop-war/sim
block 1                 # elements a block
schedule descending
append 2
append 1
expect op=2 tensor=keys hazard=WAR     # or: expect ok
`

// A select of an entry that there is not must be refused: where a cache took it, the
// strip shows that nothing was selected.
func TestStripOfWhatMustBeRefused(t *testing.T) {
	c, err := corpus.ParseShort("case", "window=2 dim=1 dtype=U8; append 2; select 1,0; append 1", 0)
	require.NoError(t, err)
	d := &corpus.Divergence{
		Op: 2, OpKind: "select", Tensor: "-", Fault: corpus.FaultAccepted, Detail: "entries 1,0 of a batch of 1",
		Said: []corpus.Said{corpus.Accepted, corpus.Accepted},
	}
	var page bytes.Buffer
	require.NoError(t, Report{Case: c, Divergence: d}.WriteHTML(&page))
	require.Contains(t, page.String(), "op 2: select 1,0")
}
