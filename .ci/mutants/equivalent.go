package main

import (
	"fmt"
	"os"
	"strings"
)

// key names a mutant whatever the numbers of lines are.
type key struct{ file, function, before, after string }

// equivalents are the mutants that are shown to change nothing, with the reason. A line
// of their file is
//
//	FILE | FUNCTION | line before | line after | reason
//
// with a line's text as the source has it, without indentation.
// Lines that begin with # and empty ones say nothing.
func equivalents(name string) (reasons map[key]string, err error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	reasons = map[key]string{}
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, " | ")
		if len(f) != 5 || f[4] == "" {
			return nil, fmt.Errorf("%s:%d: want FILE | FUNCTION | before | after | reason", name, i+1)
		}
		reasons[key{f[0], f[1], f[2], f[3]}] = f[4]
	}
	return reasons, nil
}
