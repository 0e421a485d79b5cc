package main

import (
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/props/judge"
)

type junitSuites struct {
	XMLName  xml.Name   `xml:"testsuites"`
	Name     string     `xml:"name,attr"`
	Tests    int        `xml:"tests,attr"`
	Failures int        `xml:"failures,attr"`
	Errors   int        `xml:"errors,attr"`
	Skipped  int        `xml:"skipped,attr"`
	Time     string     `xml:"time,attr"`
	Suite    junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string          `xml:"name,attr"`
	Tests      int             `xml:"tests,attr"`
	Failures   int             `xml:"failures,attr"`
	Errors     int             `xml:"errors,attr"`
	Skipped    int             `xml:"skipped,attr"`
	Time       string          `xml:"time,attr"`
	Properties []junitProperty `xml:"properties>property"`
	Cases      []junitCase     `xml:"testcase"`
}

type junitProperty struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Class   string        `xml:"classname,attr"`
	Name    string        `xml:"name,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitMessage `xml:"failure"`
	Error   *junitMessage `xml:"error"`
	Skipped *junitMessage `xml:"skipped"`
	Out     string        `xml:"system-out,omitempty"`
}

type junitMessage struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func junitTime(seconds float64) string { return strconv.FormatFloat(seconds, 'f', 3, 64) }

// writeJUnit writes a test case a target. A known-bad target that is caught
// passes: that is what is wanted of it.
func writeJUnit(path string, seed uint64, all []*outcome, end huntEnd) error {
	s := junitSuite{Name: "slidefuzz hunt", Tests: len(all), Time: junitTime(end.elapsed.Seconds())}
	s.Properties = []junitProperty{{"seed", strconv.FormatUint(seed, 10)}, {"version", versions()[0]}, {"interrupted", strconv.FormatBool(end.Interrupted)}}
	if retried := end.retried(); retried != "" {
		s.Properties = append(s.Properties, junitProperty{"start retries", retried})
	}
	for _, o := range all {
		c := junitCase{Class: "slidefuzz", Name: o.name(), Time: junitTime(o.Elapsed.Seconds())}
		if o.scenarioName() != "" {
			c.Class, c.Name = "slidefuzz."+o.scenarioName(), o.target.String()
		}
		var text strings.Builder
		if len(o.Counts) > 0 {
			fmt.Fprintf(&text, "%s\n", judge.CountsText(o.Counts))
		}
		for _, line := range o.variants() {
			fmt.Fprintf(&text, "%s\n", line)
		}
		for _, f := range o.Findings {
			fmt.Fprintf(&text, "%s\n%s\n", f.Divergence, f.Small.Text())
		}
		for _, line := range o.warnings() {
			fmt.Fprintf(&text, "%s\n", line)
		}
		for _, dir := range o.dirs() {
			fmt.Fprintf(&text, "report: %s\n", dir)
		}
		switch r := o.result(); {
		case o.unexpected != "":
			c.Failure = &junitMessage{o.unexpected, o.inFull() + "\n" + text.String()}
			s.Failures++
		case o.err != nil:
			c.Error = &junitMessage{o.err.Error(), text.String()}
			s.Errors++
		case r == resultNotRun || r == resultInterrupted:
			c.Skipped = &junitMessage{Message: o.words(), Text: text.String()}
			s.Skipped++
		default:
			c.Out = strings.TrimSpace(o.words() + "\n" + text.String())
		}
		s.Cases = append(s.Cases, c)
	}
	data, err := xml.MarshalIndent(junitSuites{
		Name: s.Name, Tests: s.Tests, Failures: s.Failures, Errors: s.Errors, Skipped: s.Skipped, Time: s.Time, Suite: s,
	}, "", "\t")
	if err != nil {
		return err
	}
	return corpus.WriteFile(path, append([]byte(xml.Header), append(data, '\n')...))
}
