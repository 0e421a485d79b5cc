package main

import (
	"encoding/xml"

	"github.com/slidefuzz/slidefuzz/corpus"
)

// The part of the JUnit format that CI systems read.
type junitSuite struct {
	XMLName  xml.Name    `xml:"testsuite"`
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Seconds float64       `xml:"time,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`

	failure, detail string
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

func writeJUnit(path string, cases []junitCase) error {
	s := junitSuite{Name: "slidefuzz", Tests: len(cases), Cases: cases}
	for i := range s.Cases {
		if c := &s.Cases[i]; c.failure != "" {
			s.Failures++
			c.Failure = &junitFailure{c.failure, c.detail}
		}
	}
	text, err := xml.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return corpus.WriteFile(path, append([]byte(xml.Header), append(text, '\n')...))
}
