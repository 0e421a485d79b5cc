package report

import (
	"bytes"
	"html/template"
	"os"
	"path/filepath"
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"

	_ "embed"
)

// Index is the page over a folder of reports: what a hunt asked, and what it found.
type Index struct {
	Title    string // what was hunted
	Summary  string // the hunt in a line: cases, findings, time
	Targets  []IndexTarget
	Versions []string
}

// IndexTarget is one target of a hunt.
type IndexTarget struct {
	Name, Result string
	Bad          bool // the result is none that was expected
	Cases        int
	Operations   string // accepted and refused, where a cache may refuse; of programs, what came of them; else empty
	Findings     []IndexFinding
}

// IndexFinding is one report.
type IndexFinding struct {
	Dir  string // in the index's folder; empty where none could be written
	What string // the divergence in a line
	Case string // its smallest case in a few words, and whether it was shrunk to its end
}

//go:embed index.html.tmpl
var indexText string

var indexTemplate = template.Must(template.New("index.html").Funcs(words).Parse(indexText))

// WriteDir writes index.html into a folder whose folders are the reports, whole or
// not at all. Reports that lie there and are none of the hunt's are listed too.
func (x Index) WriteDir(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var earlier []string
	for _, e := range entries {
		name := e.Name()
		if _, err := os.Stat(filepath.Join(dir, name, PageName)); err != nil {
			continue // no report
		}
		if !slices.ContainsFunc(x.Targets, func(t IndexTarget) bool {
			return slices.ContainsFunc(t.Findings, func(f IndexFinding) bool { return f.Dir == name })
		}) {
			earlier = append(earlier, name)
		}
	}
	var b bytes.Buffer
	if err := indexTemplate.Execute(&b, struct {
		Index
		Earlier []string
	}{x, earlier}); err != nil {
		return err
	}
	return corpus.WriteFile(filepath.Join(dir, "index.html"), b.Bytes())
}

// Quiet are the targets in which nothing was found, and nothing else is to be said of.
func (x Index) Quiet() []IndexTarget {
	return slices.DeleteFunc(slices.Clone(x.Targets), func(t IndexTarget) bool { return !t.quiet() || t.Cases == 0 })
}

// NotRun are the targets of which no case was run, where nothing else is to be said: a signal
// came first, or the time was up.
func (x Index) NotRun() []IndexTarget {
	return slices.DeleteFunc(slices.Clone(x.Targets), func(t IndexTarget) bool { return !t.quiet() || t.Cases > 0 })
}

func (t IndexTarget) quiet() bool { return !t.Bad && len(t.Findings) == 0 }
