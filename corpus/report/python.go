package report

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"

	_ "embed"
)

//go:embed reproduce.py
var reproduceText string

// Foreign is what is known of the worker that a case of a cache failed in.
type Foreign struct {
	Command  []string // and its arguments
	Contract string   // "single" or "chunks"
	Sinks    int
	Slack    *int // rows, nil for a window of them
	Select   bool // it can select entries, so that the batch may grow
	Seconds  int  // after which it has hung
}

// ReproduceName is the file of the script that Python makes.
const ReproduceName = "reproduce.py"

// sometimesRuns is how often a script tries what does not fail each time: as often as
// a finding of a worker is counted.
const sometimesRuns = 20

// Python is a script that shows the fault without slidefuzz: with Python's standard
// library alone it starts the worker's command, speaks the protocol, replays the
// operations up to the fault with the tensors of the case, and exits with 1 where a
// reply is wrong. It knows nothing of the code of the cache, so it serves for any
// worker. Nil for a program.
func (r Report) Python(w Foreign) []byte {
	c, d := r.Case, r.Divergence
	if c.Target.IsProgram() || len(c.Ops) == 0 {
		return nil
	}
	last := len(c.Ops)
	if d.OpKind != corpus.WholeCase {
		last = min(last, max(1, d.Op))
	}
	type fields struct {
		N     int    `json:"n"`
		Each  []int  `json:"each,omitempty"`
		Pad   []int  `json:"pad,omitempty"`
		Batch int    `json:"batch,omitempty"`
		Heads int    `json:"heads,omitempty"`
		Dim   int    `json:"dim,omitempty"`
		DType string `json:"dtype,omitempty"`
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "\"\"\"%s\n\nA finding of slidefuzz in the cache that COMMAND serves. This script needs nothing but\nPython: it starts the command, replays the operations and exits with 1 where a reply\nis wrong, with 0 where none is. It speaks version 1 of slidefuzz's worker protocol.\n\"\"\"\n\n", docText(d.String()))
	b.WriteString("import json\nimport os\nimport struct\nimport subprocess\nimport sys\nimport threading\n\n")
	fmt.Fprintf(&b, "COMMAND = %s\n", literal(w.Command))
	fmt.Fprintf(&b, "FOLDER = %s  # where it runs, as seen from the folder of this script\n", literal(cmp.Or(filepath.ToSlash(r.Folder), ".")))
	env := map[string]string{}
	for _, set := range r.Env {
		name, value, _ := strings.Cut(set, "=")
		env[name] = value
	}
	fmt.Fprintf(&b, "ENV = %s  # beside what is set already\n", literal(env))
	fmt.Fprintf(&b, "TIMEOUT = %d  # seconds for a reply\n", w.Seconds)
	runs := 1
	if d.Runs != nil && !always(d.Runs) {
		runs = sometimesRuns
	}
	fmt.Fprintf(&b, "RUNS = %d\n", runs)
	batch := c.Shape.Batch
	if w.Select {
		batch = c.MaxBatch()
	}
	fmt.Fprintf(&b, "CONTRACT = %s\nSINKS = %d\n", literal(w.Contract), w.Sinks)
	slack := `SHAPE["window"]`
	if w.Slack != nil {
		slack = fmt.Sprint(*w.Slack)
	}
	fmt.Fprintf(&b, "SHAPE = {\"batch\": %d, \"heads\": %d, \"window\": %d, \"dim\": %d}\n", c.Shape.Batch, c.Shape.Heads, c.Shape.Window, c.Shape.Dim)
	fmt.Fprintf(&b, "SLACK = %s  # rows that may be returned beyond those that are seen\n", slack)
	fmt.Fprintf(&b, "DTYPE = %s\nLANES = %d  # of the largest batch\n", literal(c.Shape.DType.String()), batch*c.Shape.Heads)
	must := ""
	b.WriteString("OPS = [\n")
	n := 0
	for i := range last {
		if i < len(d.Said) && d.Said[i] == corpus.NotAsked {
			continue
		}
		o := &c.Ops[i]
		fmt.Fprintf(&b, "    (%s, %s),\n", literal(o.Kind.String()), literal(fields{o.N, o.Each, o.Pad, o.Batch, o.Heads, o.Dim, o.DType}))
		if i == d.Op-1 {
			switch d.Fault {
			case corpus.FaultRefused:
				must = fmt.Sprintf("%d: \"accept\"", n)
			case corpus.FaultAccepted:
				must = fmt.Sprintf("%d: \"refuse\"", n)
			}
		}
		n++
	}
	fmt.Fprintf(&b, "]\nMUST = {%s}  # what the cache must answer to an operation, from 0\n", must)
	b.WriteString(reproduceText)
	return b.Bytes()
}

// literal is a value of JSON, which without booleans and null is one of Python.
func literal(v any) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // strings and numbers always can
	}
	return string(bytes.TrimSpace(b.Bytes()))
}

// docText is one line that a docstring of Python can hold.
func docText(text string) string {
	var b bytes.Buffer
	for _, c := range oneLine(text) {
		if c == '\\' || c == '"' {
			b.WriteByte('\\')
		}
		b.WriteRune(c)
	}
	return b.String()
}
