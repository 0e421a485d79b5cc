package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/report"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// sink remembers the first error of a writer.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(b []byte) (int, error) {
	if s.err != nil {
		return 0, s.err
	}
	n, err := s.w.Write(b)
	s.err = err
	return n, err
}

// inWords is a case in a few words.
func inWords(c *corpus.Case) string {
	if n := len(c.Beside) + 1; n > 1 {
		return fmt.Sprintf("%d programs together, the first: %s", n, inWords(c.Each()[0]))
	}
	s := c.Shape
	if e := c.Engine; e != nil {
		return fmt.Sprintf("window %d, %s %s, %s, %s, %s", s.Window, e.Model.Arch, e.Model.Kind,
			corpus.Plural(len(e.Requests()), "request"), corpus.Plural(len(e.Ops), "op"), corpus.Plural(e.Tokens(), "token"))
	}
	rows := s.Window
	var what string
	if c.Target.Update == "program" {
		rows = 0
		sizes := make([]string, len(c.Program.Buffers))
		for i, b := range c.Program.Buffers {
			rows = max(rows, b.Rows)
			sizes[i] = fmt.Sprintf("%s %d", b.Name, b.Rows)
		}
		what = "buffer " + strings.Join(sizes, ", ")
	} else {
		what = fmt.Sprintf("window %d", rows)
	}
	what += fmt.Sprintf(", %s, dim %d, %s", corpus.Plural(s.Lanes(), "lane"), s.Dim, s.DType)
	if c.Target.Device == window.Go { // it has no blocks
		return what + ", " + corpus.Plural(len(c.Ops), "op")
	}
	blocks := (s.Lanes()*rows*s.Dim + c.Block - 1) / c.Block
	what += ", " + corpus.Plural(blocks, "block")
	if c.Target.Update == "program" {
		what += ", " + corpus.Plural(len(c.Program.Stmts), "statement")
	} else if !c.Target.IsProgram() {
		what += ", " + corpus.Plural(len(c.Ops), "op")
	}
	switch {
	case c.Schedule.Kind == inplace.List && len(c.Schedule.Blocks) == 1:
		what += fmt.Sprintf(", block %d first", c.Schedule.Blocks[0])
	case c.Schedule.Kind == inplace.List:
		what += ", blocks " + c.Schedule.String() + " first"
	default:
		what += ", " + c.Schedule.String()
	}
	return what
}

// indent puts two spaces before each line.
func indent(text []byte) string {
	return "  " + strings.ReplaceAll(strings.TrimRight(string(text), "\n"), "\n", "\n  ")
}

// seconds is a duration for people.
func seconds(d time.Duration) string { return fmt.Sprintf("%.1fs", d.Seconds()) }

// write writes a report folder for a finding and returns its path: the
// first of dir/TARGET-1, dir/TARGET-2 … that does not exist, so that no report
// is overwritten.
func (r reporter) write(ctx context.Context, dir string, c *corpus.Case, d *corpus.Divergence, unfinished string) (string, error) {
	return writeReport(dir, c.Target, func(path string) *report.Report { return r.report(ctx, path, c, d, unfinished) })
}

// writeReport is write of a report that is made for its folder.
func writeReport(dir string, of window.Target, make func(path string) *report.Report) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	// A planted fault of an engine has a colon, which Windows and GitHub's artifacts refuse.
	name := strings.NewReplacer("/", "_", ":", "_").Replace(of.String())
	for n := 1; ; n++ {
		path := filepath.Join(dir, fmt.Sprintf("%s-%d", name, n))
		switch err := os.Mkdir(path, 0o755); {
		case os.IsExist(err):
			continue
		case err != nil:
			return "", err
		}
		if err := make(path).WriteDir(path); err != nil {
			return "", fmt.Errorf("writing the report %s: %w", path, err)
		}
		return path, nil
	}
}
