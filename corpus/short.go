package corpus

import (
	"fmt"
	"strings"

	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// Short is the part of a case that concerns a cache, in one line: the shape, then
// the operations, as in "window=2 dim=8 dtype=U8; append 4; append 1". One batch
// entry, one head and heads-first are left out. ParseShort reads it.
func (c *Case) Short() string {
	s := c.Shape
	text := ""
	if s.Batch != 1 {
		text += fmt.Sprintf("batch=%d ", s.Batch)
	}
	if s.Heads != 1 {
		text += fmt.Sprintf("heads=%d ", s.Heads)
	}
	text += fmt.Sprintf("window=%d dim=%d dtype=%s", s.Window, s.Dim, s.DType)
	if s.Layout != impls.HeadsFirst {
		text += fmt.Sprintf(" layout=%s", s.Layout)
	}
	for _, o := range c.Ops {
		text += "; " + o.String()
	}
	return text
}

// ParseShort reads a case of a cache: the text of a case file, or a short text. In a
// short text ';' ends a line as a line break does, the first line is the shape, where
// batch=1, heads=1 and layout=heads-first may be left out, and the header, target,
// block and schedule may be missing: the target is then [window.CacheTarget]. name
// and limit are as for Parse.
func ParseShort(name, text string, limit int64) (*Case, error) {
	for line := range strings.Lines(text) { // the first that says something
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == header {
			return Parse(name, []byte(text), limit)
		} else if line != "" {
			break
		}
	}
	if limit == 0 {
		limit = DefaultLimit
	}
	if len(text) > MaxText {
		return nil, &SyntaxError{name, 1, fmt.Errorf("the text has more than %d bytes", MaxText)}
	}
	p := &parser{seen: map[string]bool{header: true}, at: [][]int{nil}}
	p.c.Target, p.c.Block = window.CacheTarget(), 1
	for i, line := range strings.Split(text, "\n") {
		p.line = i + 1
		for part := range strings.SplitSeq(line, ";") { // which ends a comment too
			part, _, _ = strings.Cut(part, "#")
			if part = strings.TrimSpace(part); part == "" {
				continue
			}
			var err error
			if !p.seen["shape"] {
				p.seen["shape"] = true
				err = p.shortShape(strings.TrimPrefix(part, "shape "))
			} else {
				err = p.directive(part)
			}
			if err != nil {
				return nil, &SyntaxError{name, i + 1, err}
			}
		}
	}
	if !p.seen["shape"] {
		return nil, &SyntaxError{name, p.line, fmt.Errorf("an empty text: want a shape and operations, as in \"window=2 dim=8 dtype=U8; append 4; append 1\"")}
	}
	if err := p.c.Check(limit); err != nil {
		return nil, &SyntaxError{name, p.lineOf(err), err}
	}
	return &p.c, nil
}

// shortShape reads a shape of which batch, heads and layout may be left out.
func (p *parser) shortShape(text string) error {
	for _, need := range [...]string{"window=", "dim=", "dtype="} {
		if !strings.Contains(" "+text, " "+need) {
			return fmt.Errorf("%q: want a shape first, with %s… in it, as in window=2 dim=8 dtype=U8", text, need)
		}
	}
	for _, usual := range [...]struct{ key, rest string }{{"batch=", "1"}, {"heads=", "1"}, {"layout=", impls.HeadsFirst.String()}} {
		given := false
		for _, f := range strings.Fields(text) {
			given = given || strings.HasPrefix(f, usual.key)
		}
		if !given {
			text += " " + usual.key + usual.rest
		}
	}
	return p.shape(text)
}
