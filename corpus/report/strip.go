package report

import (
	"fmt"
	"slices"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// strip is an SVG, in pixels, of what the window of one entry should hold after each
// operation, or a buffer of a program after each statement, up to the one at fault.
type strip struct {
	Width, Height int
	Of            string // whose rows they are
	Lines         []stripLine
	Skipped       int // operations before those
}

type stripLine struct {
	Y     int
	Label string
	Note  string // what the cache said, where it refused
	Fault bool
	Cells []stripCell
}

// stripCell is one row. Kind is "new" of a token of this operation, "old" of one
// that was there, "empty", or "rest" for several that are left out.
type stripCell struct {
	X    int
	Text string
	Kind string
}

// The measures of a strip: twelve cells fit a phone, and so many operations a
// screen.
const (
	stripCells  = 12
	stripCellAt = 28
	stripHeight = 50
	stripLines  = 12
)

// strip draws the operations up to the fault, nil where there is nothing to draw:
// where it is not known what the cache said to them.
func (r Report) strip() *strip {
	d := r.Divergence
	var s *strip
	switch {
	case len(d.Before) > 0:
		s = &strip{Of: "the buffer that each statement writes; x3 is what row 3 of x held at the start"}
		for i, h := range d.Before {
			s.add(h.Statement, h.Rows, func(int) string { return "old" }, h.More)
			s.Lines[i].Fault = i == len(d.Before)-1
		}
		s.Skipped = d.Op - len(d.Before)
	case len(d.Said) > 0 && len(r.Case.Ops) > 0:
		s = r.cacheStrip()
	default:
		return nil
	}
	s.Height = len(s.Lines) * stripHeight
	for _, l := range s.Lines {
		for _, c := range l.Cells {
			s.Width = max(s.Width, c.X+stripCellAt)
		}
	}
	s.Width = max(s.Width, 300) // the labels
	return s
}

// add adds a line of so many rows, and more that are not listed.
func (s *strip) add(label string, rows []string, kind func(int) string, more int) *stripLine {
	l := stripLine{Y: len(s.Lines) * stripHeight, Label: oneLine(label)}
	for i, at := range shorten(len(rows)+more, stripCells, func(int) bool { return false }) {
		c := stripCell{X: i * stripCellAt, Text: "…", Kind: "rest"}
		if at >= 0 && at < len(rows) {
			if c.Kind, c.Text = kind(at), rows[at]; c.Text == "" {
				c.Kind, c.Text = "empty", "·"
			}
		}
		l.Cells = append(l.Cells, c)
	}
	s.Lines = append(s.Lines, l)
	return &s.Lines[len(s.Lines)-1]
}

// cacheStrip goes through the operations as the cache answered them.
func (r Report) cacheStrip() *strip {
	d, shape := r.Divergence, r.Case.Shape
	entry := 0
	if shape.Heads > 0 {
		entry = d.Lane / shape.Heads
	}
	s := &strip{Of: fmt.Sprintf("the newest %d tokens of entry %d, by their serials", shape.Window, entry)}
	held := &tokens{batch: shape.Batch, saved: map[int][][]int{}}
	held.Reset()
	last := min(d.Op, len(r.Case.Ops))
	for i := range last {
		o := &r.Case.Ops[i]
		said := corpus.Accepted // of the one at fault, where it has not come to an answer
		if i < len(d.Said) {
			said = d.Said[i]
		}
		first := held.serial
		if said != corpus.NotAsked {
			held.serial += o.Tokens()
		}
		// What must be refused changes nothing here, though the cache took it.
		x := o.Kind.Operation()
		if said == corpus.Accepted && !o.Mismatched(corpus.Now(shape, held)) && x.Answer(o, shape, held, oracle.Chunks) != corpus.MustRefuse {
			held.first = first
			x.Effect(o, held)
		}
		if i < last-stripLines {
			s.Skipped++
			continue
		}
		var all []int
		if entry < len(held.entries) {
			all = held.entries[entry]
		}
		all = all[max(0, len(all)-shape.Window):]
		rows := make([]string, shape.Window)
		for k, serial := range all {
			if rows[k] = fmt.Sprint(serial); serial < 0 {
				rows[k] = "pad"
			}
		}
		l := s.add(fmt.Sprintf("op %d: %s", i+1, o), rows, func(k int) string {
			if k < len(all) && all[k] >= first {
				return "new"
			}
			return "old"
		}, 0)
		switch l.Fault = i == d.Op-1; said {
		case corpus.Refused:
			l.Note = "refused"
		case corpus.NotAsked:
			l.Note = "left out"
		}
	}
	return s
}

// tokens is the serials of what each entry holds; padding is -1.
type tokens struct {
	batch, serial, first int
	entries              [][]int
	saved                map[int][][]int
}

func (t *tokens) Batch() int        { return len(t.entries) }
func (t *tokens) Len(entry int) int { return len(t.entries[entry]) }
func (t *tokens) Reset()            { t.entries = make([][]int, t.batch) }

func (t *tokens) Append(o *corpus.Op) {
	for b := range t.entries {
		for i := o.N - o.Of(b); i < o.N; i++ {
			serial := t.first + i
			if i < o.PadOf(b) {
				serial = -1
			}
			t.entries[b] = append(t.entries[b], serial)
		}
	}
}

func (t *tokens) Crop(entry, n int) { t.entries[entry] = t.entries[entry][:n] }

func (t *tokens) Select(entries []int) {
	old := t.entries
	t.entries = make([][]int, len(entries))
	for i, b := range entries {
		t.entries[i] = slices.Clone(old[b])
	}
}

func (t *tokens) Snapshot(id int)   { t.saved[id] = t.clone(t.entries) }
func (t *tokens) Restore(id int)    { t.entries = t.clone(t.saved[id]) }
func (t *tokens) Taken(id int) bool { return t.saved[id] != nil }

func (*tokens) clone(all [][]int) [][]int {
	to := make([][]int, len(all))
	for b := range all {
		to[b] = slices.Clone(all[b])
	}
	return to
}
