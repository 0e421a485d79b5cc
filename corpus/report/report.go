package report

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"

	_ "embed"

	texttemplate "text/template"
)

// Report is what a bug tracker needs of one failing case.
type Report struct {
	Case       *corpus.Case
	Divergence *corpus.Divergence
	Versions   []string // of slidefuzz, of Go, …
	// ModuleVersion is that of slidefuzz as its build has it; what a Go test
	// that calls slidefuzz asks for if it is a released one, else the latest.
	ModuleVersion string
	// Limits are the flags under which a worker or a device failed, as
	// "--timeout 5s", empty for those that hold without flags.
	Limits string

	// GoCall is, of a case of a user's cache in Go, the call in a test that runs it.
	GoCall string

	// Engine is what --engine names where the case's engine needs that, "" otherwise. Its
	// command, if it has one, is Worker.
	Engine string
	// Of a case that a worker ran: its command, and a script that shows the
	// fault without slidefuzz, if there is one.
	Worker     string
	ScriptName string
	Script     []byte
}

var (
	//go:embed report.md.tmpl
	pageText string
	//go:embed report_test.go.tmpl
	testText string
	//go:embed report.html.tmpl
	htmlText string

	words = map[string]any{"line": oneLine, "lines": lines, "code": codeSpan, "fenced": fenced}

	pageTemplate = texttemplate.Must(texttemplate.New("report.md").Funcs(words).Parse(pageText))
	testTemplate = texttemplate.Must(texttemplate.New("replay_test.go").Parse(testText))
	htmlTemplate = template.Must(template.New("report.html").Funcs(words).Parse(htmlText))
)

// WriteDir writes the report's folder, each file whole or not at all: README.md,
// case.txt, report.html, and where there is one sim.txt, cache.txt, the worker's script, and
// a Go test with a go.mod of its own, so that the tests of a module around the
// folder do not take it for theirs. What an earlier report left there and this
// one lacks is removed.
func (r Report) WriteDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	mod := filepath.Join(dir, "go.mod")
	old, err := os.ReadFile(mod)
	ours := strings.HasPrefix(string(old), testModule+"\n")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err == nil && !ours {
		return fmt.Errorf("%s is of another module: a report wants a folder of its own", mod)
	}
	test, err := r.goTest()
	if err != nil {
		return err
	}
	var text, html bytes.Buffer
	if err := pageTemplate.Execute(&text, folder{r, test}); err != nil {
		return err
	}
	if err := r.WriteHTML(&html); err != nil {
		return err
	}
	type file struct {
		name string
		data []byte
	}
	files := []file{{"README.md", text.Bytes()}, {"case.txt", r.withExpect().Text()}, {PageName, html.Bytes()}}
	if test.Source != nil {
		files = append(files, file{"replay_test.go", test.Source}, file{"go.mod", test.Mod()})
	}
	if sim := r.Divergence.Sim; sim != nil {
		files = append(files, file{"sim.txt", sim.Text()})
	}
	if u := r.Divergence.Under; u != nil {
		files = append(files, file{"cache.txt", []byte(u.Cache)})
	}
	if r.ScriptName != "" {
		files = append(files, file{r.ScriptFile(), r.Script})
	}
	if ours {
		for _, name := range [...]string{"replay_test.go", "go.sum", "sim.txt", "cache.txt", "window.html", "go.mod"} {
			if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	for _, f := range files {
		if err := corpus.WriteFile(filepath.Join(dir, f.name), f.data); err != nil {
			return err
		}
	}
	return nil
}

// PageName is the file of the page for a browser.
const PageName = "report.html"

// plainName matches names of files that mean nothing to a shell or to Markdown.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// ScriptFile is the name under which the worker's script is kept: the worker's,
// unless it is an odd one or that of a file of the report.
func (r Report) ScriptFile() string {
	switch strings.ToLower(r.ScriptName) { // some file systems make no difference
	case "readme.md", "case.txt", "sim.txt", "cache.txt", "report.html", "replay_test.go", "go.mod", "go.sum":
		return "script.txt"
	}
	if !plainName.MatchString(r.ScriptName) {
		return "script.txt"
	}
	return r.ScriptName
}

// replays reports whether the script is that of Python, which a page need not quote.
func (r Report) replays() bool { return r.ScriptName == ReproduceName }

// Quoted reports whether the page quotes the script.
func (r Report) Quoted() bool { return r.ScriptName != "" && !r.replays() }

// withExpect is the case with the outcome that is reported.
func (r Report) withExpect() *corpus.Case {
	if r.Case.Expect != nil {
		return r.Case
	}
	c := r.Case.Clone()
	c.Expect = r.Divergence.Expect()
	return c
}

// overWorker reports whether the case needs a worker.
func (r Report) overWorker() bool { return r.Worker != "" || r.Case.Target.Device == window.Worker }

// inEngine reports whether the case is of an inference engine.
func (r Report) inEngine() bool { return r.Case.Engine != nil }

// native reports whether the device, and not the case, ordered the blocks.
func (r Report) native() bool { return r.Case.Native() }

// raceCase is the case that the race, its plan and its order belong to.
func (r Report) raceCase() *corpus.Case {
	if sim := r.Divergence.Sim; sim != nil {
		return sim
	}
	return r.withExpect()
}

// ordered reports whether the order in which the blocks of the race ran is known.
func (r Report) ordered() bool { return r.Divergence.Sim != nil || !r.native() }

// ofProcess reports whether a fault ended or misled what runs the case, so that
// nothing is known of rows.
func ofProcess(f corpus.Fault) bool {
	return f == corpus.FaultCrash || f == corpus.FaultHang || f == corpus.FaultProtocol
}

// always reports whether every run was counted and diverged.
func always(r *corpus.Runs) bool { return r != nil && r.Of > 0 && r.Wrong == r.Of }

// often says in how many runs the case failed.
func often(r *corpus.Runs) string {
	switch {
	case r.Wrong == 0:
		return fmt.Sprintf("It failed when it was found, and in none of %d runs since.", r.Of)
	case !always(r):
		return fmt.Sprintf("It failed in %d of %d runs.", r.Wrong, r.Of)
	case r.Of == 1:
		return "It failed in the one run that was counted."
	case r.Different > 1:
		return fmt.Sprintf("It failed in each of %d runs, with %d different results.", r.Of, r.Different)
	}
	return fmt.Sprintf("It failed in each of %d runs.", r.Of)
}

// Extent is the shape of the smallest case that failed, in words.
func (r Report) Extent() string {
	if small := r.Divergence.Smallest; small != nil {
		return extent(small) + "; it failed there in few runs"
	}
	return extent(r.Case)
}

func extent(c *corpus.Case) string {
	s := c.Shape
	if e := c.Engine; e != nil {
		return fmt.Sprintf("window %d, %s, requests %d, tokens %d", s.Window, e.Model, len(e.Requests()), e.Tokens())
	}
	text := fmt.Sprintf("batch %d, heads %d, dim %d, %s", s.Batch, s.Heads, s.Dim, s.DType)
	if len(c.Program.Buffers) == 0 {
		return text + fmt.Sprintf(", window %d", s.Window)
	}
	for _, b := range c.Program.Buffers {
		text += fmt.Sprintf(", %d rows of %s", b.Rows, b.Name)
	}
	return text
}

// CaseText is the case as a file.
func (r Report) CaseText() string { return string(r.withExpect().Text()) }

// SimText is the case on sim that fails alike, as a file.
func (r Report) SimText() string { return string(r.Divergence.Sim.Text()) }

// Checkpoint is the command that writes the checkpoint of a case of an engine, "" of any
// other.
func (r Report) Checkpoint() string {
	if !r.inEngine() {
		return ""
	}
	return "slidefuzz engine checkpoint DIR " + corpus.WindowModel{Window: r.Case.Shape.Window, Model: r.Case.Engine.Model}.Flags()
}

// Given is the ids of tokens that an engine was given, "" where nobody noted them.
func (r Report) Given() string { return strings.Join(r.Divergence.Given, "\n") }

// WrongCells is how many cells are wrong, in words.
func (r Report) WrongCells() string { return corpus.Cells(r.Divergence.Wrong) }

// folder is a report with the test that stands beside it.
type folder struct {
	Report
	Test goTest
}

// Commands are the lines that run the case again, as they are pasted into a
// shell in the report's folder.
func (r folder) Commands() string {
	d := r.Divergence
	var lines [][2]string // a command and what is true of it
	add := func(command, note string) { lines = append(lines, [2]string{command, note}) }
	of := ""
	if r.Engine != "" {
		of = " --engine " + shellArg(r.Engine)
	}
	if r.overWorker() {
		of += " --exec " + shellArg(r.Worker)
	}
	if r.Limits != "" {
		of += " " + r.Limits
	}
	add("slidefuzz replay"+of+memoryArg(r.Case)+" case.txt", r.outcome())
	if r.replays() {
		note := "without slidefuzz: exits with 1"
		if d.Runs != nil && !always(d.Runs) {
			note = "without slidefuzz, several runs: exits with 1 if one fails"
		}
		add("python3 "+ReproduceName, note)
	}
	if r.shrinkable() {
		add("slidefuzz minimize"+of+memoryArg(r.Case)+" case.txt", "is there a smaller one?")
	}
	if d.Sim != nil {
		note := "the same race in a fixed order: fails every time"
		if r.overWorker() {
			note = "without the worker: fails every time"
		}
		add("slidefuzz replay"+memoryArg(d.Sim)+" sim.txt", note)
	}
	if r.Test.Source != nil {
		note := "shows the race in a copy of the kernel's moves"
		if !r.Test.Frozen {
			add("go get "+propsPackage+"@"+r.version(), "")
			note = "fails as long as the fault is there"
		}
		add("go test", note)
	}
	// The notes stand in a column, but not behind a line that is very long, as a
	// worker's command makes it.
	const column = 40
	text := ""
	for _, l := range lines {
		text += l[0]
		if l[1] != "" {
			text += strings.Repeat(" ", max(2, column-len(l[0]))) + "# " + l[1]
		}
		text += "\n"
	}
	return text
}

// outcome is what replaying the case comes to, in a few words.
func (r Report) outcome() string {
	d := r.Divergence
	switch {
	case d.Runs != nil && d.Runs.Wrong < sureFailures && !always(d.Runs):
		return fmt.Sprintf("%d of %d runs failed; the next may all pass", d.Runs.Wrong, d.Runs.Of)
	case d.Runs != nil:
		return fmt.Sprintf("%d of %d runs failed", d.Runs.Wrong, d.Runs.Of)
	case ofProcess(d.Fault) || r.overWorker() || r.inEngine():
		return ""
	case r.native():
		return "the device chooses the order"
	}
	return "the same outcome each time"
}

// sureFailures is how many failures there must be among some runs for as many
// runs again to show one but once in a thousand times (e^-7).
const sureFailures = 7

// shrinkable reports whether there is a point in minimizing the case. A hang
// takes too long, and so does a device that crashes; a race in an order that the
// device chose cannot be asked twice, and is left as it was found.
func (r Report) shrinkable() bool {
	d := r.Divergence
	switch {
	case r.overWorker(), r.inEngine():
		return d.Fault != corpus.FaultHang
	case ofProcess(d.Fault):
		return false
	}
	return !r.native() || d.Race == nil && (d.Runs == nil || always(d.Runs))
}

// memoryArg is the flag that a case needs which takes more than commands allow.
func memoryArg(c *corpus.Case) string {
	n := c.Bytes()
	if n <= corpus.DefaultLimit {
		return ""
	}
	const mib = 1 << 20
	return fmt.Sprintf(" --memory %d", (n+mib-1)/mib)
}

// propsPackage is what a test that replays a case imports. To ask for the module
// alone would leave go.sum without what the package needs.
const propsPackage = "github.com/slidefuzz/slidefuzz/props"

// released matches the versions that were tagged. A version that Go makes up of a
// commit has a second dash; one of changed files has a plus.
var released = regexp.MustCompile(`^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.]+)?$`)

// version is the version of slidefuzz that can be had from everywhere.
func (r Report) version() string {
	if released.MatchString(r.ModuleVersion) {
		return r.ModuleVersion
	}
	return "latest"
}

// Title is the divergence in a few words.
func (r Report) Title() string {
	d := r.Divergence
	if d.Race != nil {
		return fmt.Sprintf("%s: a %s hazard in %s", r.Case.Target, d.Kind(), d.Tensor)
	}
	return fmt.Sprintf("%s: %s (%s)", r.Case.Target, d.OpKind, d.Fault)
}

// Explanation says what the hazard does, for somebody who has not heard of
// slidefuzz.
func (r Report) Explanation() string {
	d := r.Divergence
	if ofProcess(d.Fault) {
		if r.inEngine() {
			return "The engine failed: it, or what drives it here, may be to blame."
		}
		if r.overWorker() {
			return "The worker failed: the cache that it drives may be to blame, or the worker itself."
		}
		return "The device failed: what it was running may be to blame, or its driver. Run the case again before you believe either."
	}
	var say []string
	add := func(text string) { say = append(say, text) }
	if d.Race != nil {
		add(does(d.Race))
		if r.native() {
			add("The blocks of a kernel run in no fixed order, so the result may depend on timing.")
		} else {
			add("The blocks of a kernel run in no fixed order, so on real hardware the result depends on timing.")
		}
	}
	switch {
	case r.inEngine() && d.Under != nil:
		add("The rows of the engine's cache are named below.")
	case r.inEngine():
		add("What the engine did inside is not known here. Its logits say which tokens each query attended to: docs/engines.md of slidefuzz has how. Cache, mask, positions, batcher or the conversion of the checkpoint may be at fault.")
	case r.overWorker() && d.Race != nil:
		add("What the worker's kernels are is not known here.")
	case r.overWorker():
		add("What the worker did inside is not known here; the operations of the case show it.")
	case !r.native() && d.Race != nil:
		add("Here the order is part of the case: in this order the same wrong bytes come out every time.")
	case r.Case.Target.Device == window.Go || r.Case.Target == window.CacheTarget():
		add("The fault depends on no timing: it shows in every run.")
	case !r.native():
		add("No two blocks of a kernel conflict here: the fault does not depend on their order, and shows in every run.")
	default:
		add("The device chose the order of the blocks here.")
	}
	switch {
	case d.Runs != nil:
		add(often(d.Runs))
	case r.native() && !r.overWorker() && !r.inEngine():
		add("How often it fails was not counted.")
	}
	sim := d.Sim
	switch {
	case sim == nil && r.native() && !r.overWorker() && d.Race != nil:
		add("No order of its blocks was found in which sim goes wrong.")
	case sim == nil && r.native() && !r.overWorker() && !r.inEngine() && d.Fault == corpus.FaultRows:
		add("No two blocks of a kernel conflict here: the fault does not depend on their order.")
	case sim != nil && r.overWorker():
		add(fmt.Sprintf("sim, which runs the blocks in an order that is given, fails on the same program where the compiler loses the check that %s stands for (%s): sim.txt fails in this way every time, without the worker.",
			sim.Target.Lowering, sim.Target.Lowering.Issue()))
	case sim != nil:
		add("sim.txt is the same race as a small case with an order: sim, which runs the blocks in the order that is given, fails on it every time.")
	}
	if sim != nil && d.Race != nil {
		add("The blocks and rows named here are those of sim.txt.")
	}
	return strings.Join(say, " ")
}

// does says what the two blocks do to each other.
func does(r *corpus.Race) string {
	h := r.Hazard
	cell := fmt.Sprintf("row %d of %s", r.HazardRow, r.Names[h.Storage])
	switch h.Kind {
	case inplace.RAW:
		return fmt.Sprintf("Block %d writes %s and block %d needs what it writes, but nothing makes it wait (read-after-write).", h.Writer, cell, h.Other)
	case inplace.WAW:
		return fmt.Sprintf("Blocks %d and %d both write %s, and nothing says which comes last (write-after-write).", h.Writer, h.Other, cell)
	}
	return fmt.Sprintf("Block %d overwrites %s while block %d has yet to read it (write-after-read).", h.Writer, cell, h.Other)
}

// blockAt is the block that runs as number i, from 0, in the order of the race.
func blockAt(r *corpus.Race, i int) int {
	if r.Order == nil {
		return i
	}
	return int(r.Order[i])
}

// strikes reports whether the hazard changes the result in the order of the race:
// a block runs before the one that it should have waited for.
func strikes(r *corpus.Race) bool {
	for i := range r.Kernel.Blocks() {
		if b := blockAt(r, i); b == r.Hazard.Writer || b == r.Hazard.Other {
			return b == r.Hazard.Witness()
		}
	}
	return false
}

// Steps are the blocks in the order in which they run and the race goes wrong, at
// most maxSteps and the two that race. There are none where no such order is
// known.
func (r Report) Steps() []string {
	race := r.Divergence.Race
	if race == nil || !r.ordered() || !strikes(race) {
		return nil
	}
	var steps []string
	h := race.Hazard
	for i := range race.Kernel.Blocks() {
		b := blockAt(race, i)
		note := ""
		switch b {
		case h.Writer:
			note = fmt.Sprintf(": writes row %d of %s", race.HazardRow, race.Names[h.Storage])
		case h.Other:
			note = fmt.Sprintf(": reads row %d of %s", race.HazardRow, race.Names[h.Storage])
			if h.Kind == inplace.WAW {
				note = fmt.Sprintf(": writes row %d of %s too", race.HazardRow, race.Names[h.Storage])
			}
		default:
			if i >= maxSteps {
				continue
			}
		}
		steps = append(steps, fmt.Sprintf("Block %d runs (number %d of %d)%s", b, i+1, race.Kernel.Blocks(), note))
	}
	return steps
}

// maxSteps bounds the blocks that a page lists: what fits a screen.
const maxSteps = 12

// WriteHTML writes one self-contained page: what the rows around the fault hold and
// should hold, the blocks that write them, the operations before, and the case. It
// fetches nothing and runs no script.
func (r Report) WriteHTML(w io.Writer) error {
	return htmlTemplate.Execute(w, struct {
		Report
		Figures []figure
		Order   *orderStrip
		Before  *strip
		Lanes   *lanes
	}{r, r.figures(), r.orderStrip(), r.strip(), r.lanes()})
}

// Drawn reports whether the page for a browser has a picture.
func (r Report) Drawn() bool { return len(r.figures()) > 0 || r.strip() != nil || r.lanes() != nil }

// wrongRow is the row that a picture is about, the rows of its storage, and what
// it holds, in words; got is empty where that is not known.
type wrongRow struct {
	storage, rows, lane, row int
	got                      string
}

// wrongRow is the row that is reported. A race may be another case's, or in a
// storage that the reported one was made of later: there it is the row of the cell
// that the late block computes, and holds what the moves leave in it.
func (r Report) wrongRow() wrongRow {
	d, race := r.Divergence, r.Divergence.Race
	if race == nil {
		rows := r.Case.Shape.Window
		if i := d.Op - 1; i >= 0 && i < len(r.Case.Ops) && d.Where == "returned" {
			rows = max(rows, r.Case.Ops[i].Tokens()) // a long chunk is returned whole
		}
		for _, b := range r.Case.Program.Buffers {
			if b.Name == d.Tensor {
				rows = b.Rows
			}
		}
		return wrongRow{0, max(rows, d.Row+1), d.Lane, d.Row, d.Got}
	}
	storage, offset := race.Kernel.Destination(race.Hazard.At)
	w := wrongRow{storage: storage, rows: race.Plan.Rows[storage]}
	if d.Sim == nil && race.Names[storage] == d.Tensor {
		w.lane, w.row, w.got = d.Lane, d.Row, d.Got
		return w
	}
	w.lane, w.row, _ = race.Plan.Cell(storage, offset)
	if f, ok := freeze(race); ok && r.ordered() {
		want, got := f.run()
		if at := (element{storage, offset}); want[at] != got[at] {
			_, row, _ := race.Plan.Cell(got[at].storage, got[at].at)
			w.got = fmt.Sprintf("what row %d of %s held", row, race.Names[got[at].storage])
		}
	}
	return w
}
