package report

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// figure is an SVG, in pixels, of some rows of one lane: what each should hold, what
// it holds, and the blocks that write it.
type figure struct {
	Caption       string
	Width, Height int
	Expected      column
	Found         column
	Blocks        column // without width where no race is drawn
	Rows          []figureRow
	Arrow         *figureArrow
	Note          string // how the arrow is to be read
	Cut           string // what is left out
}

type column struct{ X, Width int }

type figureRow struct {
	Y             int
	Row           int
	Label         string
	Gap           bool // rows before this one are left out
	Expected      cell
	Found         cell
	Wrong, Judged bool
	Segments      []segment
}

// cell is a few words that fit a column, and all of them where they were too long.
type cell struct{ Text, Full string }

// segment is the part of a row that one block writes, or several that are left out.
type segment struct {
	X, Width int
	Text     string
	Colour   int    // of the page's colours for blocks
	Role     string // "writes" or "reads" of the blocks that race, "rest" for those left out
}

type figureArrow struct{ X1, Y1, X2, Y2, Bend int }

// The measures of a figure. A row is as high as a finger needs, and a line of 12
// pixels has characters of at most 7.
const (
	figureTop    = 30
	lineHeight   = 30
	charWidth    = 7
	foundFrom    = 118 // behind the row's label and its mark
	minColumn    = 84
	maxColumn    = 236
	blocksWidth  = 264
	maxSegments  = 6
	arrowRoom    = 28 // to the right of the blocks
	blockColours = 4
)

// figures draws the rows that matter: of each lane that was noted one figure.
func (r Report) figures() []figure {
	seen, race := r.Divergence.Seen, r.Divergence.Race
	if r.Divergence.Sim != nil && race != nil {
		seen = r.Divergence.SimSeen
	}
	w := r.wrongRow()
	switch {
	case seen == nil && r.Divergence.Fault != corpus.FaultRows:
		return nil
	case race != nil && (seen == nil || race.Names[w.storage] != r.Divergence.Tensor && r.Divergence.Sim == nil || !drawn(seen, w)):
		seen = r.seenByMoves(w)
	case seen == nil:
		seen = around(w, func(row int) corpus.SeenRow {
			x := corpus.SeenRow{Row: row, Position: -1}
			if row == w.row {
				x.Wrong, x.Want, x.Got = true, r.Divergence.Want, w.got
			}
			return x
		})
	}
	var all []figure
	for i, lane := range seen.Drawn {
		if seen.Claimed {
			lane.Rows = claimed(lane.Rows)
		}
		f := laneFigure(lane, seen.Rows)
		f.Caption = fmt.Sprintf("Lane %d", lane.Lane)
		if i == 0 && race != nil {
			f.Caption += " of " + race.Names[w.storage]
			r.drawBlocks(&f, lane, w)
		} else if r.Divergence.Tensor != "-" {
			f.Caption += " of " + r.Divergence.Tensor
		}
		all = append(all, f)
	}
	last := &all[len(all)-1]
	if more := seen.WrongLanes - len(all); more > 0 {
		last.Cut += fmt.Sprintf(" %d more of the %d lanes have wrong rows and are not drawn.", more, seen.Lanes)
	}
	return all
}

// claimed is rows whose expected tokens are named with the position that the cache
// claims.
func claimed(rows []corpus.SeenRow) []corpus.SeenRow {
	rows = slices.Clone(rows)
	for i := range rows {
		if x := &rows[i]; x.Position >= 0 {
			x.Want = fmt.Sprintf("pos %d: %s", x.Position, x.Want)
		}
	}
	return rows
}

// drawn reports whether a row is among those that were noted, in the first lane.
func drawn(seen *corpus.Seen, w wrongRow) bool {
	l := seen.Drawn[0]
	return l.Lane == w.lane && slices.ContainsFunc(l.Rows, func(x corpus.SeenRow) bool { return x.Row == w.row })
}

// around is the rows around the wrong one, where nobody noted them.
func around(w wrongRow, row func(int) corpus.SeenRow) *corpus.Seen {
	const rows = 24
	l := corpus.SeenLane{Lane: w.lane}
	lo := max(0, min(w.row-rows/2, w.rows-rows))
	for at := lo; at < min(w.rows, lo+rows); at++ {
		x := row(at)
		if x.Wrong {
			l.Wrong++
		}
		l.Rows = append(l.Rows, x)
	}
	return &corpus.Seen{Rows: w.rows, Lanes: 1, WrongLanes: 1, Drawn: []corpus.SeenLane{l}}
}

// seenByMoves is what the moves of a race leave in the rows around the wrong one:
// the storage may be a temporary, which nobody has looked at.
func (r Report) seenByMoves(w wrongRow) *corpus.Seen {
	race := r.Divergence.Race
	var want, got map[element]element
	if f, ok := freeze(race); ok && r.ordered() {
		want, got = f.run()
	}
	held := func(e element) string {
		_, row, _ := race.Plan.Cell(e.storage, e.at)
		return fmt.Sprintf("what row %d of %s held", row, race.Names[e.storage])
	}
	return around(w, func(row int) corpus.SeenRow {
		x := corpus.SeenRow{Row: row, Position: -1}
		at := race.Plan.Offset(w.storage, w.lane, row, 0)
		for e := at; e < at+r.raceCase().Shape.Dim; e++ {
			is := element{w.storage, e}
			if x.Want == "" && want != nil {
				x.Want = held(is)
				if from, moved := want[is]; moved {
					x.Want = held(from)
				}
			}
			if from, moved := got[is]; moved && from != want[is] {
				x.Wrong, x.Want, x.Got = true, held(want[is]), held(from)
				break
			}
		}
		if row == w.row && !x.Wrong && w.got != "" {
			x.Wrong, x.Got = true, w.got
		}
		return x
	})
}

// laneFigure draws some rows of a lane that has so many.
func laneFigure(lane corpus.SeenLane, rows int) figure {
	var f figure
	expected, found := minColumn, minColumn
	for _, x := range lane.Rows {
		expected = max(expected, utf8.RuneCountInString(x.Want)*charWidth+14)
		found = max(found, utf8.RuneCountInString(x.Got)*charWidth+14)
	}
	f.Expected = column{foundFrom, min(expected, maxColumn)}
	f.Found = column{f.Expected.X + f.Expected.Width + 6, min(max(found, min(expected, maxColumn)), maxColumn)}
	f.Width = f.Found.X + f.Found.Width + 4
	y, last := figureTop, -1
	wrong := 0
	for _, x := range lane.Rows {
		row := figureRow{Row: x.Row, Label: fmt.Sprintf("row %d", x.Row), Wrong: x.Wrong, Judged: x.Want != ""}
		if last >= 0 && x.Row != last+1 {
			row.Gap = true
			y += lineHeight / 2
		}
		row.Y, last = y, x.Row
		row.Expected, row.Found = fit(x.Want, f.Expected.Width), fit(x.Got, f.Found.Width)
		switch {
		case x.Want == "":
			row.Expected = cell{Text: "anything"}
			if !x.Wrong {
				row.Expected.Text = "–"
			}
		case !x.Wrong:
			row.Found = fit("the same", f.Found.Width)
		}
		if x.Wrong {
			wrong++
		}
		f.Rows = append(f.Rows, row)
		y += lineHeight
	}
	f.Height = y + 6
	if n := rows - len(lane.Rows); n > 0 {
		f.Cut = fmt.Sprintf("%d of %d rows are drawn.", len(lane.Rows), rows)
	}
	if more := lane.Wrong - wrong; more > 0 {
		verb := "are"
		if more == 1 {
			verb = "is"
		}
		f.Cut += fmt.Sprintf(" %s of this lane %s wrong.", corpus.Plural(more, "more row"), verb)
	}
	return f
}

// fit cuts words to the width of a column.
func fit(words string, width int) cell {
	words = oneLine(words)
	most := (width - 10) / charWidth
	if utf8.RuneCountInString(words) <= most {
		return cell{Text: words}
	}
	return cell{string([]rune(words)[:most-1]) + "…", words}
}

// drawBlocks adds the blocks that write each row, and the arrow between the two that
// race.
func (r Report) drawBlocks(f *figure, lane corpus.SeenLane, w wrongRow) {
	race := r.Divergence.Race
	h := race.Hazard
	f.Blocks = column{f.Found.X + f.Found.Width + 8, blocksWidth}
	f.Width = f.Blocks.X + f.Blocks.Width + arrowRoom
	var from, to *figureArrow
	for i := range f.Rows {
		x := &f.Rows[i]
		role := func(b int) string {
			switch {
			case b == h.Writer && x.Row == race.HazardRow && h.Storage == w.storage && race.Lane == lane.Lane:
				return "writes"
			case b == h.Other && x.Row == w.row:
				return "reads"
			}
			return ""
		}
		blocks := blocksOf(race, r.raceCase().Shape.Dim, w.storage, lane.Lane, x.Row)
		x.Segments = segments(blocks, f.Blocks, role)
		for _, s := range x.Segments {
			at := &figureArrow{X1: s.X + s.Width, Y1: x.Y + lineHeight/2 - 2}
			switch s.Role {
			case "writes":
				from = at
			case "reads":
				to = at
			}
		}
	}
	if from == nil || to == nil || h.Kind == inplace.WAW {
		return
	}
	f.Arrow = &figureArrow{X1: from.X1, Y1: from.Y1, X2: to.X1, Y2: to.Y1, Bend: max(from.X1, to.X1) + arrowRoom}
	f.Note = fmt.Sprintf("The arrow: block %d (W) overwrites row %d, which block %d (R) has yet to read.", h.Writer, race.HazardRow, h.Other)
	if h.Kind == inplace.RAW {
		f.Note = fmt.Sprintf("The arrow: block %d (W) writes row %d, which block %d (R) needs and has read too early.", h.Writer, race.HazardRow, h.Other)
	}
}

// blocksOf lists the blocks that write a row of dim elements, in their order.
func blocksOf(race *corpus.Race, dim, storage, lane, row int) []int {
	from := race.Plan.Offset(storage, lane, row, 0)
	to := from + dim
	type at struct{ element, block int }
	var all []at
	for _, c := range race.Kernel.Copies {
		if c.Dst != storage {
			continue
		}
		for e := max(from, c.To); e < min(to, c.To+c.N); {
			block := (c.Cell + e - c.To) / race.Kernel.Block
			all = append(all, at{e, block})
			e = c.To + (block+1)*race.Kernel.Block - c.Cell // of the next block
		}
	}
	slices.SortFunc(all, func(a, b at) int { return a.element - b.element })
	var blocks []int
	for _, x := range all {
		if len(blocks) == 0 || blocks[len(blocks)-1] != x.block {
			blocks = append(blocks, x.block)
		}
	}
	return blocks
}

// segments draws the blocks of a row side by side: of many the first, the last and
// those that race, with "…" between.
func segments(blocks []int, col column, role func(int) string) []segment {
	if len(blocks) == 0 {
		return nil
	}
	keep := shorten(len(blocks), maxSegments, func(i int) bool { return role(blocks[i]) != "" })
	width := col.Width / len(keep)
	all := make([]segment, len(keep))
	for i, at := range keep {
		s := segment{X: col.X + i*width, Width: width - 3, Role: "rest", Text: "…"}
		if at >= 0 {
			b := blocks[at]
			s.Role, s.Colour, s.Text = role(b), b%blockColours, fmt.Sprint(b)
			if len(keep) == 1 {
				s.Text = fmt.Sprintf("block %d", b)
			}
			switch s.Role {
			case "writes":
				s.Text += " W"
			case "reads":
				s.Text += " R"
			}
		}
		all[i] = s
	}
	return all
}

// shorten picks from n things in a row at most about most: the first, the last, and
// those that matter. -1 stands for some that are left out.
func shorten(n, most int, matters func(int) bool) []int {
	var keep []int
	if n <= most {
		for i := range n {
			keep = append(keep, i)
		}
		return keep
	}
	important := 0
	for i := range n {
		if matters(i) {
			important++
		}
	}
	first := max(1, most-2-2*important) // a gap on either side of what matters, and the last
	last := -1
	for i := range n {
		if i >= first && i < n-1 && !matters(i) {
			continue
		}
		switch {
		case i == last+2: // one alone is as short as a gap
			keep = append(keep, i-1)
		case i > last+1:
			keep = append(keep, -1)
		}
		keep = append(keep, i)
		last = i
	}
	return keep
}

// orderStrip is the blocks in the order in which they ran.
type orderStrip struct {
	Width, Height int
	Chips         []segment
	Y             []int // of each chip
	Blocks        int
}

// The measures of the order: eight chips fit a phone.
const (
	chipWidth  = 44
	chipHeight = 32
	chipsALine = 8
	maxChips   = 16
)

// RaceSteps are the steps of the two blocks that race.
func (r Report) RaceSteps() []string {
	return slices.DeleteFunc(r.Steps(), func(s string) bool { return !strings.Contains(s, ": ") })
}

// orderStrip draws the order of a race that goes wrong, nil where none is known.
func (r Report) orderStrip() *orderStrip {
	race := r.Divergence.Race
	if race == nil || !r.ordered() || !strikes(race) {
		return nil
	}
	h := race.Hazard
	role := func(b int) string {
		switch b {
		case h.Writer:
			return "writes"
		case h.Other:
			return "reads"
		}
		return ""
	}
	o := &orderStrip{Blocks: race.Kernel.Blocks()}
	wide := max(chipWidth, (len(fmt.Sprint(o.Blocks))+2)*charWidth+12)
	for i, at := range shorten(o.Blocks, maxChips, func(i int) bool { return role(blockAt(race, i)) != "" }) {
		s := segment{X: i % chipsALine * wide, Width: wide - 4, Role: "rest", Text: "…"}
		if at >= 0 {
			b := blockAt(race, at)
			s.Role, s.Colour, s.Text = role(b), b%blockColours, fmt.Sprint(b)
			switch s.Role {
			case "writes":
				s.Text += " W"
			case "reads":
				s.Text += " R"
			}
		}
		o.Chips = append(o.Chips, s)
		o.Y = append(o.Y, i/chipsALine*chipHeight)
	}
	o.Width = min(len(o.Chips), chipsALine) * wide
	o.Height = o.Y[len(o.Y)-1] + chipHeight
	return o
}

// Half is where the text of a segment has its middle.
func (s segment) Half() int { return s.Width / 2 }

// MarkWidth, ExpectedText and FoundText are where the page puts the frame of a wrong
// row and the words in the columns.
func (f figure) MarkWidth() int { return f.Found.X + f.Found.Width + 2 }

// ExpectedText is where the words of that column begin.
func (f figure) ExpectedText() int { return f.Expected.X + 5 }

// FoundText is where the words of that column begin.
func (f figure) FoundText() int { return f.Found.X + 5 }
