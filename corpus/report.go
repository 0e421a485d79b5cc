package corpus

import (
	"bytes"
	_ "embed"
	"fmt"
	"go/format"
	"html/template"
	"io"
	"os"
	"path/filepath"
	"strings"
	texttemplate "text/template"

	"github.com/slidefuzz/slidefuzz/impls"
)

// Report is what a bug tracker needs of one failing case.
type Report struct {
	Case       *Case
	Divergence *Divergence
	Versions   []string // of slidefuzz, of Go, …

	// Of a case that a worker ran: its command, and a script that shows the
	// fault without slidefuzz, if there is one.
	Worker     string
	ScriptName string
	Script     []byte
}

var (
	//go:embed report.md.tmpl
	pageText string
	//go:embed report_test.go.tmpl
	testText string
	//go:embed report.html.tmpl
	htmlText string

	pageTemplate = texttemplate.Must(texttemplate.New("report.md").Parse(pageText))
	testTemplate = texttemplate.Must(texttemplate.New("replay_test.go").Parse(testText))
	htmlTemplate = template.Must(template.New("window.html").Parse(htmlText))
)

// WriteDir writes the report's folder: README.md, case.txt, replay_test.go and
// window.html, each whole or not at all.
func (r Report) WriteDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	var page, html bytes.Buffer
	if err := pageTemplate.Execute(&page, r); err != nil {
		return err
	}
	if err := r.WriteHTML(&html); err != nil {
		return err
	}
	type file struct {
		name string
		data []byte
	}
	files := []file{{"README.md", page.Bytes()}, {"case.txt", r.withExpect().Text()}, {"window.html", html.Bytes()}}
	if r.Worker == "" {
		test, err := r.goTest()
		if err != nil {
			return err
		}
		files = append(files, file{"replay_test.go", test})
	}
	if sim := r.Divergence.Sim; sim != nil {
		files = append(files, file{"sim.txt", sim.Text()})
	}
	if r.ScriptName != "" {
		files = append(files, file{r.ScriptName, r.Script})
	}
	for _, f := range files {
		if err := WriteFile(filepath.Join(dir, f.name), f.data); err != nil {
			return err
		}
	}
	return nil
}

// withExpect is the case with the outcome that is reported.
func (r Report) withExpect() *Case {
	if r.Case.Expect != nil {
		return r.Case
	}
	c := r.Case.Clone()
	c.Expect = r.Divergence.Expect()
	return c
}

// Extent is the shape of the smallest case that failed, in words.
func (r Report) Extent() string {
	if small := r.Divergence.Smallest; small != nil {
		return extent(small) + "; it failed there in few runs"
	}
	return extent(r.Case)
}

func extent(c *Case) string {
	s := c.Shape
	text := fmt.Sprintf("batch %d, heads %d, dim %d, %s", s.Batch, s.Heads, s.Dim, s.DType)
	if len(c.Program.Buffers) == 0 {
		return text + fmt.Sprintf(", window %d", s.Window)
	}
	for _, b := range c.Program.Buffers {
		text += fmt.Sprintf(", %d rows of %s", b.Rows, b.Name)
	}
	return text
}

// CaseText is the case as a file.
func (r Report) CaseText() string { return string(r.withExpect().Text()) }

// WrongCells is how many cells are wrong, in words.
func (r Report) WrongCells() string { return cells(r.Divergence.Wrong) }

// ExecArg is the worker's command as one argument of a shell.
func (r Report) ExecArg() string {
	if strings.Contains(r.Worker, "'") && !strings.ContainsAny(r.Worker, "\"$`\\") {
		return `"` + r.Worker + `"`
	}
	return "'" + strings.ReplaceAll(r.Worker, "'", `'\''`) + "'"
}

// Title is the divergence in a few words.
func (r Report) Title() string {
	d := r.Divergence
	if d.Race != nil {
		return fmt.Sprintf("%s: a %s hazard in %s", r.Case.Target, d.Kind(), d.Tensor)
	}
	return fmt.Sprintf("%s: %s (%s)", r.Case.Target, d.OpKind, d.Fault)
}

// Explanation says what the hazard does, for somebody who has not heard of
// slidefuzz.
func (r Report) Explanation() string {
	race := r.Divergence.Race
	switch r.Divergence.Fault {
	case FaultCrash, FaultHang, FaultProtocol:
		if r.Worker != "" {
			return "The worker failed: the cache that it drives may be to blame, or the worker itself."
		}
		return "The device failed: what it was running may be to blame, or its driver. Run the case again before you believe either."
	}
	if race == nil && r.Worker != "" {
		if runs := r.Divergence.Runs; runs != nil {
			return "The same operations give another result from run to run: " + runs.String() + "."
		}
		return "What the worker did inside is not known here; the operations of the case show it."
	}
	if race == nil {
		return "No two blocks of a kernel conflict here: the fault does not depend on their order, and shows in every run."
	}
	h := race.Hazard
	cell := fmt.Sprintf("row %d of %s", race.HazardRow, race.Names[h.Storage])
	var what string
	switch h.Kind {
	case impls.RAW:
		what = fmt.Sprintf("Block %d writes %s and block %d needs what it writes, but nothing makes it wait (read-after-write).", h.Writer, cell, h.Other)
	case impls.WAW:
		what = fmt.Sprintf("Blocks %d and %d both write %s, and nothing says which comes last (write-after-write).", h.Writer, h.Other, cell)
	default:
		what = fmt.Sprintf("Block %d overwrites %s while block %d has yet to read it (write-after-read).", h.Writer, cell, h.Other)
	}
	what += " The blocks of a kernel run in no fixed order, so on real hardware the result depends on timing."
	if sim := r.Divergence.Sim; sim != nil {
		return what + fmt.Sprintf(" What the worker's kernels are is not known here. sim fails on the same program where the compiler loses the check that %s stands for (%s), with a block for each row, in the order below: sim.txt fails in this way every time, without the worker.",
			sim.Target.Lowering, sim.Target.Lowering.Issue())
	}
	return what + " Here the order is part of the case: in this order the same wrong bytes come out every time."
}

// Steps are the blocks in the order in which they ran, at most maxSteps.
func (r Report) Steps() []string {
	race := r.Divergence.Race
	if race == nil {
		return nil
	}
	var steps []string
	h := race.Hazard
	for i := range race.Kernel.Blocks() {
		b := i
		if race.Order != nil {
			b = int(race.Order[i])
		}
		note := ""
		switch b {
		case h.Writer:
			note = fmt.Sprintf(": writes row %d of %s", race.HazardRow, race.Names[h.Storage])
		case h.Other:
			note = fmt.Sprintf(": reads row %d of %s", race.HazardRow, race.Names[h.Storage])
			if h.Kind == impls.WAW {
				note = fmt.Sprintf(": writes row %d of %s too", race.HazardRow, race.Names[h.Storage])
			}
		default:
			if i >= maxSteps {
				continue
			}
		}
		steps = append(steps, fmt.Sprintf("Block %d runs (number %d of %d)%s", b, i+1, race.Kernel.Blocks(), note))
	}
	return steps
}

// maxSteps bounds the blocks that a page lists: what fits a screen.
const maxSteps = 12

// maxTestCells bounds the kernel that a standalone test spells out: a table of
// some thousand numbers is the most that anyone would paste.
const maxTestCells = 4096

// goTest is a Go test that shows the fault. For a race it needs nothing but
// Go; otherwise it replays the case with package props.
func (r Report) goTest() ([]byte, error) {
	race := r.Divergence.Race
	data := struct {
		Report
		Blocks  []string
		Sizes   []int
		Order   []int
		Names   []string
		Quoted  string
		OneLine string
	}{Report: r, Quoted: goQuote(r.CaseText()), OneLine: r.Divergence.String()}
	if race != nil && race.Kernel.Cells() <= maxTestCells {
		for i, rows := range race.Plan.Rows {
			data.Sizes = append(data.Sizes, r.Case.Shape.Lanes()*rows*r.Case.Shape.Dim)
			data.Names = append(data.Names, race.Names[i])
		}
		for b := range race.Kernel.Blocks() {
			var moves []string
			for _, c := range race.Kernel.Copies {
				for i := range c.N {
					if (c.Cell+i)/race.Kernel.Block == b {
						moves = append(moves, fmt.Sprintf("{%d, %d, %d, %d}", c.Dst, c.To+i, c.Src, c.From+i))
					}
				}
			}
			data.Blocks = append(data.Blocks, strings.Join(moves, ", "))
			at := b
			if race.Order != nil {
				at = int(race.Order[b])
			}
			data.Order = append(data.Order, at)
		}
	}
	var b bytes.Buffer
	if err := testTemplate.Execute(&b, data); err != nil {
		return nil, err
	}
	return format.Source(b.Bytes())
}

// goQuote writes text as a Go literal that stays readable.
func goQuote(text string) string {
	if strings.Contains(text, "`") {
		return fmt.Sprintf("%q", text)
	}
	return "`" + text + "`"
}

// WriteHTML writes one self-contained page: the rows of the window, the blocks
// over them, and an arrow from the block that overwrites to the one that
// reads.
func (r Report) WriteHTML(w io.Writer) error {
	return htmlTemplate.Execute(w, struct {
		Report
		Picture picture
	}{r, r.picture()})
}

// picture is an SVG in units of pixels, 360 wide: a phone's width.
type picture struct {
	Height int
	Rows   []pictureRow
	Cut    string // what is left out
	Arrow  *pictureArrow
}

type pictureRow struct {
	Y            int
	Label, Block string
	Note         string
	Wrong        bool
	Hue          int
}

type pictureArrow struct {
	From, To int
	Label    string
}

// The picture's measures: a row is 34 high, so that a thumb can hit it, and
// below the caption of 30; at most 24 rows are drawn, a screen or two.
const (
	rowHeight   = 34
	pictureTop  = 30
	pictureRows = 24
)

func (r Report) picture() picture {
	d := r.Divergence
	var p picture
	rows := r.Case.Shape.Window
	race := d.Race
	storage := 0
	if race != nil {
		storage = race.Hazard.Storage
		rows = race.Plan.Rows[storage]
	}
	if d.Fault != FaultRows {
		return p
	}
	// The rows around the wrong one and the one that both blocks touch.
	mid := d.Row
	lo := max(0, min(mid-pictureRows/2, rows-pictureRows))
	hi := min(rows, lo+pictureRows)
	if hi-lo < rows {
		p.Cut = fmt.Sprintf("Rows %d to %d of %d are drawn.", lo, hi-1, rows)
	}
	y := map[int]int{}
	for row := lo; row < hi; row++ {
		x := pictureRow{Y: pictureTop + (row-lo)*rowHeight, Label: fmt.Sprintf("row %d", row)}
		if race != nil {
			if b, ok := blockOf(race, storage, d.Lane, row); ok {
				x.Block = fmt.Sprintf("block %d", b)
				// The golden angle keeps the colours of neighbours apart.
				x.Hue = b * 137 % 360
				if _, seen := y[b]; !seen || row == d.Row || row == race.HazardRow {
					y[b] = x.Y + rowHeight/2
				}
			}
		}
		if row == d.Row {
			x.Wrong = true
			x.Note = "holds " + d.Got
		}
		p.Rows = append(p.Rows, x)
	}
	p.Height = pictureTop + len(p.Rows)*rowHeight + 10
	if race == nil {
		return p
	}
	from, ok1 := y[race.Hazard.Writer]
	to, ok2 := y[race.Hazard.Other]
	if ok1 && ok2 {
		p.Arrow = &pictureArrow{From: from, To: to, Label: "overwrites what is still to be read"}
		switch race.Hazard.Kind {
		case impls.RAW:
			p.Arrow.Label = "is needed before it was written"
		case impls.WAW:
			p.Arrow.Label = "writes the same cell"
		}
	}
	return p
}

// blockOf is the block that writes the first element of a row.
func blockOf(race *Race, storage, lane, row int) (int, bool) {
	at := race.Plan.Offset(storage, lane, row, 0)
	for _, c := range race.Kernel.Copies {
		if c.Dst == storage && at >= c.To && at < c.To+c.N {
			return (c.Cell + at - c.To) / race.Kernel.Block, true
		}
	}
	return 0, false
}
