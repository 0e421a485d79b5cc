package main

import (
	"cmp"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/corpus/report"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

// writeIndex writes the page over the reports of a hunt.
func (o *huntOptions) writeIndex(all []*outcome, end huntEnd) error {
	x := report.Index{
		Title: fmt.Sprintf("A hunt in %s, seed %d", corpus.Plural(len(all), "target"), o.seed),
		Summary: fmt.Sprintf("%s in %s, %s, %s, %d unexpected, %s not run; %s.",
			corpus.Plural(end.Cases, "case"), corpus.Plural(end.Targets, "target"), corpus.Plural(end.Findings, "finding"), corpus.Plural(end.Errors, "error"), end.Unexpected, corpus.Plural(end.NotRun, "target"), seconds(end.elapsed)),
		Versions: versions(),
	}
	if lost := end.lostJobs(); lost != "" {
		x.Summary += " " + lost + "."
	}
	if retried := end.retried(); retried != "" {
		x.Summary += " " + retried + "."
	}
	if end.Interrupted {
		x.Summary += " Not the whole hunt: " + cmp.Or(end.left, resultInterrupted) + "."
	}
	if end.err != nil {
		x.Title, x.Summary = fmt.Sprintf("Nothing was run, seed %d", o.seed), "What was to run it did not start."
	}
	for _, out := range all {
		t := report.IndexTarget{Name: out.name(), Result: strings.Join(append([]string{out.inFull()}, out.warnings()...), "; "), Cases: out.Cases, Bad: out.unexpected != "" || out.err != nil}
		if len(out.Counts) > 0 {
			t.Operations = judge.CountsText(out.Counts)
		}
		if lines := out.variants(); len(lines) > 0 {
			t.Operations = strings.Join(lines, "; ")
		}
		for i, f := range out.Findings {
			x := report.IndexFinding{What: f.Divergence.String(), Case: inWords(f.Small)}
			if left := unfinished(&f); left != "" {
				x.Case += "; " + left
			}
			if i < len(out.reports) && out.reports[i] != "" {
				x.Dir = filepath.Base(out.reports[i])
			}
			t.Findings = append(t.Findings, x)
		}
		x.Targets = append(x.Targets, t)
	}
	return x.WriteDir(o.out)
}
