package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/worker"
	"github.com/slidefuzz/slidefuzz/props/hunt"
)

// The results of a target.
const (
	resultOK          = "ok"
	resultCaught      = "caught"
	resultNotCaught   = "not caught"
	resultDiverged    = "diverged"
	resultUnseen      = "nothing seen"
	resultInterrupted = "interrupted"
	resultNotRun      = "not run"
	resultUndecided   = "undecided"
	resultError       = "error"
)

// outcome is what a job came to.
type outcome struct {
	job
	hunt.Result
	unexpected string   // why the exit status is 1
	reports    []string // the folder of each finding, where there are any
	notRun     bool
	left       string // of a merge: why cases were not run, where it is interrupted
	bound      int    // cases that were asked for, 0 without a number
	err        error
}

func (o *outcome) result() string {
	found, sound := len(o.Findings) > 0, o.target.Sound()
	switch {
	case o.err != nil && o.unexpected == "":
		return resultError
	case o.notRun:
		return resultNotRun
	case sound && found:
		return resultDiverged
	case o.Ended != "" && !found:
		return resultNotRun
	case sound && o.Undecided():
		return resultUndecided
	case o.unexpected != "":
		return resultNotCaught
	case found:
		return resultCaught
	case o.Interrupted:
		return resultInterrupted
	case sound:
		return resultOK
	}
	return resultUnseen
}

// smallest is the smallest finding, of those that were shrunk to their end if there are any;
// nil without one.
func (o *outcome) smallest() *hunt.Finding {
	if len(o.Findings) == 0 {
		return nil
	}
	left := func(f *hunt.Finding) int {
		if unfinished(f) != "" {
			return 1
		}
		return 0
	}
	best := slices.MinFunc(o.Findings, func(a, b hunt.Finding) int {
		return cmp.Or(left(&a)-left(&b), corpus.Compare(a.Small, b.Small))
	})
	return &best
}

// huntEnd is what a hunt came to.
type huntEnd struct {
	Targets     int
	Cases       int
	Findings    int
	Unexpected  int
	NotRun      int
	Errors      int
	CasesNotRun int // of the targets that have a number of them
	LostJobs    int
	jobs        int // of which those were lost, 0 where nobody says
	retries     worker.Retries
	Interrupted bool
	left        string // as an outcome's
	err         error  // why there was nothing to hunt in
	elapsed     time.Duration
	processor   processorTime // of an engine in another process
	status      int
}

func summarize(all []*outcome, interrupted bool, elapsed time.Duration) huntEnd {
	end := huntEnd{Interrupted: interrupted, elapsed: elapsed}
	for _, o := range all {
		end.Cases += o.Cases
		end.Findings += len(o.Findings)
		end.CasesNotRun += o.notRunCases()
		for _, l := range o.LostJobs {
			end.LostJobs++
			end.jobs = l.Of
		}
		switch {
		case o.notRun:
			end.NotRun++
			if !interrupted { // the time was up: nobody can say how it is
				end.status = worse(end.status, exitUnexpected)
			}
		default:
			end.Targets++
		}
		if o.unexpected != "" {
			end.Unexpected++
			end.status = worse(end.status, exitUnexpected)
		}
		if o.err != nil {
			end.Errors++
			end.status = worse(end.status, statusOf(o.err))
		}
	}
	return end
}

// warnings are the jobs that were lost, a line each.
func (o *outcome) warnings() (lines []string) {
	for _, l := range o.LostJobs {
		lines = append(lines, "WARNING: "+l.String())
	}
	return lines
}

// lostJobs is how many jobs were lost, in words, empty where none was.
func (e *huntEnd) lostJobs() string {
	switch {
	case e.LostJobs == 0:
		return ""
	case e.jobs > 0:
		return fmt.Sprintf("WARNING: %d of %s could not start, or not start again", e.LostJobs, corpus.Plural(e.jobs, "job"))
	}
	return fmt.Sprintf("WARNING: %s could not start, or not start again", corpus.Plural(e.LostJobs, "job"))
}

// retried says how often a start of the worker failed and was tried again, empty for never.
func (e *huntEnd) retried() string {
	took := "which took " + seconds(e.retries.Took)
	switch e.retries.Starts {
	case 0:
		return ""
	case 1:
		return "1 start of the worker failed and was tried again, " + took
	}
	return fmt.Sprintf("%d starts of the worker failed and were tried again, %s", e.retries.Starts, took)
}

// notRunCases is how many cases of a number of them were not run.
func (o *outcome) notRunCases() int {
	if (o.Ended != "" || o.Interrupted || o.notRun || o.err != nil) && o.bound > 0 {
		return o.bound - o.Cases
	}
	return 0
}

// dirs is the reports of an outcome that were written.
func (o *outcome) dirs() []string {
	return slices.DeleteFunc(slices.Clone(o.reports), func(s string) bool { return s == "" })
}

// words is the result of an outcome in words.
func (o *outcome) words() string {
	best := o.smallest()
	switch r := o.result(); r {
	case resultCaught:
		s := fmt.Sprintf("caught at case %d", o.Findings[0].At)
		if n := len(o.Findings); n > 1 {
			s += fmt.Sprintf(" (%d failures)", n)
		}
		return s + ": " + smallWords(best)
	case resultDiverged:
		s := fmt.Sprintf("DIVERGED at case %d", o.Findings[0].At)
		if best.At != o.Findings[0].At {
			s += fmt.Sprintf(", smallest from case %d", best.At)
		}
		return s + ": " + smallWords(best)
	case resultNotCaught:
		return "NOT CAUGHT"
	case resultUnseen:
		return "nothing seen: its race need not show here"
	case resultError:
		return "ERROR: " + o.err.Error()
	case resultInterrupted:
		return cmp.Or(o.left, r)
	default:
		return r
	}
}

// inFull is words, and after it why cases were not run and what ended the hunt.
func (o *outcome) inFull() string {
	s := o.words()
	if left := o.casesNotRun(); left != "" {
		s += "; not run: " + left
	}
	if o.err != nil && o.result() != resultError {
		s += "; ERROR: " + o.err.Error()
	}
	return s
}

// variants is what came of each variant of a worker that runs programs, a line each, without
// the times: those of merged shards are others.
func (o *outcome) variants() (lines []string) {
	for _, name := range slices.Sorted(maps.Keys(o.Variants)) {
		lines = append(lines, variantCounts(name, o.Variants[name]))
	}
	return lines
}

func smallWords(f *hunt.Finding) string {
	s := inWords(f.Small)
	if f.Stats.Minimal {
		s += "; proven smallest"
	}
	return s
}

// unexpectedNames lists the targets with an unexpected result.
func unexpectedNames(all []*outcome) string {
	var names []string
	for _, o := range all {
		if o.unexpected != "" {
			names = append(names, o.name()+" ("+o.unexpected+")")
		}
	}
	return strings.Join(names, ", ")
}
