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
	// Unfinished says that shrinking the case did not come to its end, as "not shrunk to its
	// end in 20.0s", empty where it did or nobody says.
	Unfinished string
	// Limits are the flags under which a worker or a device failed, as
	// "--timeout 5s", empty for those that hold without flags.
	Limits string

	// GoCall is, of a case of a user's cache in Go, the call in a test that runs it.
	GoCall string

	// Engine is what --engine names where the case's engine needs that, "" otherwise. Its
	// command, if it has one, is Worker.
	Engine string
	// Of a case that a worker ran: its command, the folder in which that runs as it is seen
	// from the report's, and the report's as it is seen from there, both empty for the same;
	// variables of its environment, as NAME=VALUE; and a script that shows the fault without
	// slidefuzz, if there is one.
	Worker     string
	Folder     string
	Here       string
	Env        []string
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

	words = map[string]any{"line": oneLine, "lines": lines, "code": codeSpan, "fenced": fenced, "plural": corpus.Plural}

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

// always reports whether every run was counted and diverged.
func always(r *corpus.Runs) bool { return r != nil && r.Of > 0 && r.Wrong == r.Of }

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
	m := corpus.WindowModel{Window: r.Case.Shape.Window, Model: r.Case.Engine.Model}
	if strings.HasSuffix(r.Case.Target.Update, window.OneLess) {
		m.Window--
	}
	return "slidefuzz engine checkpoint ./checkpoint " + m.Flags()
}

// Place is the operation at which it failed: several programs together are none.
func (r Report) Place() string {
	d := r.Divergence
	if d.OpKind == corpus.AmongOthers {
		return "several programs together"
	}
	return fmt.Sprintf("operation %d (%s)", d.Op, d.OpKind)
}

// Given is the ids of tokens that an engine was given, "" where nobody noted them.
func (r Report) Given() string { return strings.Join(r.Divergence.Given, "\n") }

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
