package corpus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

const header = "slidefuzz case v1"

// Text is the case as a file. A case that was read and not changed gives the
// very bytes that it was read from.
func (c *Case) Text() []byte {
	text := c.format()
	if c.source != "" && string(text) == c.canon {
		return []byte(c.source)
	}
	return text
}

func (c *Case) format() []byte {
	if c.Engine != nil {
		return c.formatEngine()
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n", header)
	formatShape(&b, c.Shape)
	fmt.Fprintf(&b, "target %s\n", c.Target)
	fmt.Fprintf(&b, "block %d\n", c.Block)
	fmt.Fprintf(&b, "schedule %s\n", c.Schedule)
	for _, o := range c.Orders {
		fmt.Fprintf(&b, "order %d %s %d: %s\n", o.Op, o.Tensor, o.Kernel, o.Schedule)
	}
	formatProgram(&b, c.Program)
	for _, x := range c.Beside {
		fmt.Fprintln(&b, besideWord)
		formatShape(&b, x.Shape)
		formatProgram(&b, x.Program)
	}
	for _, o := range c.Ops {
		fmt.Fprintf(&b, "%s\n", o)
	}
	if c.Expect != nil {
		fmt.Fprintf(&b, "expect %s\n", c.Expect)
	}
	return b.Bytes()
}

// SyntaxError is what is wrong with a case file, and where.
type SyntaxError struct {
	File string
	Line int
	Err  error
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err) }

// Unwrap returns the error without the place.
func (e *SyntaxError) Unwrap() error { return e.Err }

// MaxText bounds the bytes of a case file: a hundred thousand operations.
const MaxText = 4 << 20

// Parse reads a case; name is for errors, which are *SyntaxError. limit is as
// for Case.Check, 0 for DefaultLimit: nothing is allocated for a case beyond
// it.
func Parse(name string, text []byte, limit int64) (*Case, error) {
	if limit == 0 {
		limit = DefaultLimit
	}
	p := &parser{seen: map[string]bool{}, at: [][]int{nil}}
	if len(text) > MaxText {
		return nil, &SyntaxError{name, 1, fmt.Errorf("the file has more than %d bytes", MaxText)}
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for i, line := range lines {
		p.line = i + 1
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimRight(line, " \t\r")
		if line == "" {
			continue
		}
		if err := p.directive(line); err != nil {
			return nil, &SyntaxError{name, i + 1, err}
		}
	}
	if err := p.finishEngine(); err != nil {
		return nil, &SyntaxError{name, p.line, err}
	}
	need := []string{header, "shape", "target", "block", "schedule"}
	if p.c.Engine != nil {
		need = need[:3]
	}
	for _, need := range need {
		if !p.seen[need] {
			return nil, &SyntaxError{name, p.line, fmt.Errorf("the line %q is missing", need)}
		}
	}
	if err := p.c.Check(limit); err != nil {
		return nil, &SyntaxError{name, p.lineOf(err), err}
	}
	c := &p.c
	c.canon = string(c.format())
	if string(text) != c.canon {
		c.source = string(text)
	}
	return c, nil
}

// ReadFile parses the case in a file.
func ReadFile(path string, limit int64) (*Case, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// One byte past the limit, so that Parse sees that there is more.
	text := make([]byte, 0, 4096)
	for len(text) <= MaxText {
		if len(text) == cap(text) {
			text = slices.Grow(text, len(text))
		}
		n, err := f.Read(text[len(text):cap(text)])
		text = text[:len(text)+n]
		if err != nil {
			if errors.Is(err, io.EOF) {
				break
			}
			return nil, err
		}
	}
	return Parse(path, text, limit)
}

// WriteFile writes the case whole or not at all: to a file beside path, then
// by renaming.
func (c *Case) WriteFile(path string) error { return WriteFile(path, c.Text()) }

// WriteFile writes a file whole or not at all.
func WriteFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	// CreateTemp makes files that only their owner can read.
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

type parser struct {
	c    Case
	line int
	seen map[string]bool
	at   [][]int // line of each operation or statement: of the case, and of each program beside it

	// Of an engine case: padding whose prompt has not come, and the line of a shape that
	// is a window alone, 0 without.
	pads       map[string]int
	windowLine int
}

// lineOf finds the line that an error of Check is about.
func (p *parser) lineOf(err error) int {
	n, at := 0, p.at[0]
	var beside *BesideError
	if errors.As(err, &beside) {
		at = p.at[beside.N]
	}
	var op *OpError
	var stmt *inplace.StmtError
	switch {
	case errors.As(err, &op):
		n = op.Op
	case errors.As(err, &stmt):
		n = stmt.Stmt
	}
	if n < 1 || n > len(at) {
		return p.line
	}
	return at[n-1]
}

// noteLine notes the line of an operation or a statement.
func (p *parser) noteLine() {
	last := len(p.at) - 1
	p.at[last] = append(p.at[last], p.line)
}

func (p *parser) directive(line string) error {
	if !p.seen[header] {
		if line != header {
			return fmt.Errorf("the first line must be %q", header)
		}
		p.seen[header] = true
		return nil
	}
	word, rest, _ := strings.Cut(line, " ")
	if line == besideWord {
		p.c.Beside, p.at = append(p.c.Beside, Beside{}), append(p.at, nil)
		return nil
	}
	if x := p.beside(); word == "shape" && x != nil && x.Shape == (impls.Shape{}) {
		var err error
		x.Shape, err = parseShape(rest)
		return err
	}
	switch word {
	case "shape", "target", "block", "schedule", "expect":
		if p.seen[word] {
			return fmt.Errorf("a second line %q", word)
		}
		p.seen[word] = true
	}
	if p.c.Engine != nil && isEngineWord(word) {
		return p.engineDirective(word, rest, line)
	}
	var err error
	switch word {
	case "shape":
		if ok, err := p.engineShape(rest); ok {
			return err
		}
		return p.shape(rest)
	case "target":
		p.c.Target, err = window.ParseTarget(rest)
		if err == nil {
			err = p.c.Target.Check()
		}
		if p.c.Target.Device == window.EngineDevice {
			p.c.Engine = &EngineCase{}
		}
		return err
	case "block":
		p.c.Block, err = number(rest)
		return err
	case "schedule":
		p.c.Schedule, err = inplace.ParseSchedule(rest)
		return err
	case "order":
		return p.order(rest)
	case "buffer":
		name, rows, _ := strings.Cut(rest, " ")
		b := inplace.Buffer{Name: name}
		b.Rows, err = number(rows)
		of := p.program()
		of.Buffers = append(of.Buffers, b)
		return err
	case "expect":
		p.c.Expect, err = parseExpect(rest)
		return err
	}
	if k, ok := lookupKind(word); ok {
		o := Op{Kind: k}
		err := k.Operation().Parse(&o, rest)
		p.c.Ops = append(p.c.Ops, o)
		p.noteLine()
		return err
	}
	if strings.Contains(line, "=") || word == "return" {
		s, err := inplace.ParseStmt(line)
		of := p.program()
		of.Stmts = append(of.Stmts, s)
		p.noteLine()
		return err
	}
	if word == besideWord {
		return fmt.Errorf("%q: want %s alone in its line; the shape, buffers and statements of the program follow", line, besideWord)
	}
	names := make([]string, len(operations))
	for k, x := range operations {
		names[k] = x.Name()
	}
	return fmt.Errorf("unknown word %q: want shape, target, block, schedule, order, buffer, beside, %s, expect or an assignment", word, strings.Join(names, ", "))
}

// number reads a number as strconv prints it, so that printing gives the same
// bytes.
func number(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || strconv.Itoa(n) != s {
		return 0, fmt.Errorf("%q is not a number", s)
	}
	return n, nil
}

// fields reads KEY=VALUE words; each key must be one of keys, and is handed to
// set once.
func fields(text string, keys []string, set func(key, value string) error) error {
	seen := map[string]bool{}
	for _, f := range strings.Fields(text) {
		key, value, ok := strings.Cut(f, "=")
		if !ok || !slices.Contains(keys, key) {
			return fmt.Errorf("%q: want %s=…", f, strings.Join(keys, "=…, "))
		}
		if seen[key] {
			return fmt.Errorf("%s twice", key)
		}
		seen[key] = true
		if err := set(key, value); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
	}
	return nil
}

func (p *parser) shape(rest string) (err error) {
	p.c.Shape, err = parseShape(rest)
	return err
}

func parseShape(rest string) (s impls.Shape, err error) {
	count := 0
	keys := []string{"batch", "heads", "window", "dim", "dtype", "layout"}
	err = fields(rest, keys, func(key, value string) (err error) {
		count++
		switch key {
		case "dtype":
			s.DType, err = impls.ParseDType(value)
		case "layout":
			s.Layout, err = impls.ParseLayout(value)
		case "batch":
			s.Batch, err = number(value)
		case "heads":
			s.Heads, err = number(value)
		case "window":
			s.Window, err = number(value)
		case "dim":
			s.Dim, err = number(value)
		}
		return err
	})
	if err == nil && count < len(keys) {
		err = fmt.Errorf("shape: want all of %s", strings.Join(keys, "=…, "))
	}
	if err == nil {
		err = s.Check()
	}
	return s, err
}

func (p *parser) order(rest string) error {
	head, schedule, ok := strings.Cut(rest, ":")
	f := strings.Fields(head)
	if !ok || len(f) != 3 {
		return fmt.Errorf("order: want order OP TENSOR KERNEL: schedule")
	}
	o := Order{Tensor: f[1]}
	var err error
	if o.Op, err = number(f[0]); err != nil {
		return err
	}
	if o.Kernel, err = number(f[2]); err != nil {
		return err
	}
	o.Schedule, err = inplace.ParseSchedule(schedule)
	p.c.Orders = append(p.c.Orders, o)
	return err
}

func positive(s string) (int, error) {
	n, err := number(s)
	if err == nil && n < 1 {
		err = fmt.Errorf("%d is less than 1", n)
	}
	return n, err
}

func parseExpect(rest string) (*Expect, error) {
	e := &Expect{Fault: FaultRows}
	keys := []string{"op", "tensor", "hazard", "fault", "rate"}
	if after, ok := strings.CutPrefix(rest, "ok"); ok && (after == "" || after[0] == ' ') {
		e.OK, e.Fault = true, ""
		rest, keys = strings.TrimPrefix(after, " "), []string{"rate"}
	}
	set := map[string]bool{}
	err := fields(rest, keys, func(key, value string) (err error) {
		set[key] = true
		switch key {
		case "op":
			e.Op, err = number(value)
		case "tensor":
			e.Tensor = value
		case "hazard":
			e.Hazard, err = inplace.ParseHazardKind(value)
		case "fault":
			e.Fault = Fault(value)
			if !slices.Contains(faults, e.Fault) {
				err = fmt.Errorf("%q: want one of %v", value, faults)
			}
		case "rate":
			e.Rate, err = parseRate(value)
		}
		return err
	})
	switch {
	case err != nil:
	case !e.OK && (!set["op"] || !set["tensor"] || set["hazard"] == set["fault"]):
		err = fmt.Errorf("expect: want ok, or op=N tensor=NAME hazard=KIND, or op=N tensor=NAME fault=WORD")
	case set["rate"] && e.OK != (e.Rate.Wrong == 0):
		err = fmt.Errorf("expect: rate=%d/%d: want 0 of the runs wrong where ok is expected, else at least 1", e.Rate.Wrong, e.Rate.Of)
	}
	return e, err
}

func parseRate(text string) (r Rate, err error) {
	k, n, _ := strings.Cut(text, "/")
	if r.Wrong, err = number(k); err == nil {
		r.Of, err = number(n)
	}
	if err != nil || r.Of < 1 || r.Of > maxRate || r.Wrong < 0 || r.Wrong > r.Of {
		return r, fmt.Errorf("%q: want wrong runs of all runs, as 25/300, at most %d", text, maxRate)
	}
	return r, nil
}
