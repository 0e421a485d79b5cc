package corpus

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// formatEngine is the text of an engine case.
func (c *Case) formatEngine() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nshape window=%d\ntarget %s\nmodel %s\n", header, c.Shape.Window, c.Target, c.Engine.Model)
	for _, o := range c.Engine.Ops {
		fmt.Fprintf(&b, "%s\n", o)
	}
	if c.Expect != nil {
		fmt.Fprintf(&b, "expect %s\n", c.Expect)
	}
	return b.Bytes()
}

// engineWords are those that begin a line of an engine case alone.
var engineWords = []string{"model", "prompt", "chunk", "decode", "crop", "fork", "drop", "pad"}

// engineDirective reads a line of an engine case whose first word is one of engineWords.
func (p *parser) engineDirective(word, rest, line string) error {
	e := p.c.Engine
	switch word {
	case "model":
		if p.seen[word] {
			return fmt.Errorf("a second line %q", word)
		}
		p.seen[word] = true
		return p.model(rest)
	case "pad":
		return p.pad(rest)
	}
	var o EngineOp
	var err error
	switch word {
	case "crop", "fork", "drop":
		o, err = parseRequestOp(word, rest)
	default:
		o, err = p.forward(line)
	}
	e.Ops = append(e.Ops, o)
	p.noteLine()
	return err
}

func (p *parser) model(rest string) error {
	m := &p.c.Engine.Model
	keys := []string{"arch", "kind", "layers", "heads", "kv", "dim", "dtype", "seed"}
	count := 0
	err := fields(rest, keys, func(key, value string) (err error) {
		count++
		switch key {
		case "arch":
			m.Arch = value
		case "kind":
			m.Kind = value
		case "layers":
			m.Layers, err = number(value)
		case "heads":
			m.Heads, err = number(value)
		case "kv":
			m.KVHeads, err = number(value)
		case "dim":
			m.Dim, err = number(value)
		case "dtype":
			m.DType, err = impls.ParseDType(value)
		case "seed":
			if m.Seed, err = strconv.ParseUint(value, 10, 64); err != nil {
				err = fmt.Errorf("%q is not a number", value)
			}
		}
		return err
	})
	if err == nil && count < len(keys) {
		err = fmt.Errorf("model: want all of %s", strings.Join(keys, "=…, "))
	}
	if err == nil {
		err = m.Check()
	}
	return err
}

// pad remembers the padding of a request that the next forward begins.
func (p *parser) pad(rest string) error {
	name, n, err := requestNumber("pad", rest)
	if err != nil {
		return err
	}
	if _, twice := p.pads[name]; twice {
		return fmt.Errorf("pad %s twice", name)
	}
	if p.pads == nil {
		p.pads = map[string]int{}
	}
	p.pads[name] = n
	return nil
}

// forward reads parts with a plus between them, and gives prompts the padding of the
// lines before.
func (p *parser) forward(line string) (EngineOp, error) {
	o := EngineOp{Kind: Forward}
	for text := range strings.SplitSeq(line, "+") {
		part, err := parsePart(strings.TrimSpace(text))
		if err != nil {
			return o, err
		}
		if part.Kind == PartPrompt {
			part.Pad = p.pads[part.Request]
			delete(p.pads, part.Request)
		}
		o.Parts = append(o.Parts, part)
	}
	return o, p.noPads()
}

// noPads reports padding that no prompt has.
func (p *parser) noPads() error {
	for name := range p.pads {
		return fmt.Errorf("pad %s: the next line must have its prompt", name)
	}
	return nil
}

func parsePart(text string) (Part, error) {
	word, rest, _ := strings.Cut(text, " ")
	switch word {
	case "decode":
		part := Part{Kind: PartDecode, Request: rest, N: 1}
		return part, checkRequest(rest)
	case "prompt", "chunk":
		name, n, err := requestNumber(word, rest)
		part := Part{Kind: PartPrompt, Request: name, N: n}
		if word == "chunk" {
			part.Kind = PartChunk
		}
		return part, err
	}
	return Part{}, fmt.Errorf("%q: want prompt R N, chunk R N or decode R, with + between several", text)
}

func parseRequestOp(word, rest string) (o EngineOp, err error) {
	switch word {
	case "crop":
		o.Kind = CropRequest
		o.Request, o.N, err = requestNumber(word, rest)
	case "fork":
		o.Kind = ForkRequest
		o.Request, o.As, _ = strings.Cut(rest, " ")
		if err = errors.Join(checkRequest(o.Request), checkRequest(o.As)); err != nil {
			err = fmt.Errorf("fork %s: want fork R S, two requests", rest)
		}
	case "drop":
		o.Kind, o.Request = DropRequest, rest
		err = checkRequest(rest)
	}
	return o, err
}

func requestNumber(word, rest string) (name string, n int, err error) {
	name, text, _ := strings.Cut(rest, " ")
	if n, err = number(text); err != nil || checkRequest(name) != nil {
		return name, n, fmt.Errorf("%s %s: want %s R N, a request and a number", word, rest, word)
	}
	return name, n, nil
}

// checkRequest reports a name that is no word of at most 32 letters and digits.
func checkRequest(name string) error {
	odd := strings.ContainsFunc(name, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9')
	})
	if odd || name == "" || len(name) > 32 {
		return fmt.Errorf("request %q: want a name of letters and digits, at most 32", name)
	}
	return nil
}

// engineShape reads the shape of an engine case, which is its window alone; ok is false
// for another.
func (p *parser) engineShape(rest string) (ok bool, err error) {
	text, ok := strings.CutPrefix(rest, "window=")
	if !ok || strings.Contains(text, " ") {
		return false, nil
	}
	p.windowLine = p.line
	p.c.Shape.Window, err = number(text)
	return true, err
}

// finishEngine reports what the lines of a case lack together.
func (p *parser) finishEngine() error {
	if p.c.Target.Device != window.EngineDevice {
		if p.windowLine > 0 {
			p.line = p.windowLine
			return errors.New("shape: want all of batch=…, heads=…, window=…, dim=…, dtype=…, layout=…; a window alone is for a target engine/NAME")
		}
		return nil
	}
	if err := p.noPads(); err != nil {
		return err
	}
	for _, word := range [...]string{"shape", "model"} {
		if !p.seen[word] {
			return fmt.Errorf("the line %q is missing", word)
		}
	}
	if p.windowLine == 0 {
		return errors.New("the shape of an engine case is its window alone, as in: shape window=8")
	}
	for _, word := range [...]string{"block", "schedule"} {
		if p.seen[word] {
			return fmt.Errorf("an engine case has no line %q", word)
		}
	}
	if len(p.c.Ops)+len(p.c.Orders)+len(p.c.Program.Buffers)+len(p.c.Program.Stmts)+len(p.c.Beside) > 0 {
		return errors.New("operations of a cache or a program: an engine case has prompt, chunk, decode, crop, fork, drop and pad, each with a request")
	}
	return nil
}

// isEngineWord reports whether a line of an engine case begins with the word.
func isEngineWord(word string) bool { return slices.Contains(engineWords, word) }
