package report

import (
	"bytes"
	"fmt"
	"go/format"
	"slices"
	"strconv"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/impls/window"
)

// maxTestCells bounds the kernel that a standalone test spells out: a table of
// some thousand numbers is the most that anyone would paste.
const maxTestCells = 4096

// element is one element of a storage.
type element struct{ storage, at int }

// move copies one cell.
type move struct{ to, from element }

// frozen is the kernel of a race as a table of moves, and an order of its
// blocks: what a standalone test spells out.
type frozen struct {
	blocks [][]move
	order  []int
}

// freeze spells a kernel out. ok is false where the table would be too long, or
// where the kernel means more than "read everything, then write": a
// read-after-write hazard needs what the kernel itself wrote before.
func freeze(race *corpus.Race) (f frozen, ok bool) {
	k := race.Kernel
	if k.Cells() > maxTestCells || race.Hazard.Kind == inplace.RAW {
		return f, false
	}
	f.blocks = make([][]move, k.Blocks())
	for _, c := range k.Copies {
		for i := range c.N {
			b := (c.Cell + i) / k.Block
			f.blocks[b] = append(f.blocks[b], move{element{c.Dst, c.To + i}, element{c.Src, c.From + i}})
		}
	}
	for i := range f.blocks {
		f.order = append(f.order, blockAt(race, i))
	}
	return f, true
}

// run does what the standalone test does: got is what each element holds after
// the blocks ran in the order, want what the kernel means. An element that is in
// neither was not written, and holds itself.
func (f frozen) run() (want, got map[element]element) {
	want, got = map[element]element{}, map[element]element{}
	for _, block := range f.blocks {
		for _, m := range block {
			want[m.to] = m.from
		}
	}
	for _, b := range f.order {
		var loaded []element
		for _, m := range f.blocks[b] {
			held, written := got[m.from]
			if !written {
				held = m.from
			}
			loaded = append(loaded, held)
		}
		for i, m := range f.blocks[b] {
			got[m.to] = loaded[i]
		}
	}
	return want, got
}

// fails reports whether the order changes the result.
func (f frozen) fails() bool {
	want, got := f.run()
	for to := range want {
		if want[to] != got[to] {
			return true
		}
	}
	return false
}

// table is the moves of each block as Go.
func (f frozen) table() []string {
	lines := make([]string, len(f.blocks))
	for b, block := range f.blocks {
		moves := make([]string, len(block))
		for i, m := range block {
			moves[i] = fmt.Sprintf("{%d, %d, %d, %d}", m.to.storage, m.to.at, m.from.storage, m.from.at)
		}
		lines[b] = strings.Join(moves, ", ")
	}
	return lines
}

// goTest is the Go test of a folder: one that fails on the finding, or none and
// the reason why.
type goTest struct {
	Frozen bool // it holds the moves of a kernel and needs nothing but Go
	Source []byte
	None   string
}

// Mod is the go.mod that keeps the folder out of a module around it. The
// language versions: ranging over numbers came with Go 1.22; package props needs
// what slidefuzz itself does.
func (t goTest) Mod() []byte {
	if t.Frozen {
		return []byte(testModule + "\n\ngo 1.22\n")
	}
	return []byte(testModule + "\n\ngo 1.26\n")
}

// testModule is the first line of that go.mod, by which a folder of ours is
// known.
const testModule = "module replay"

// goTest decides which test shows the fault. A race whose moves are few is
// spelled out; anything else is run again, where running it again is sure to
// fail.
func (r Report) goTest() (goTest, error) {
	d := r.Divergence
	if r.GoCall != "" {
		return goTest{None: "the cache is its user's, whose tests run the case"}, nil
	}
	if r.inEngine() {
		return goTest{None: "the fault needs the engine; `slidefuzz replay` runs it"}, nil
	}
	if r.overWorker() {
		return goTest{None: "the fault needs the worker; `slidefuzz replay` runs it"}, nil
	}
	if d.Fault.OfProcess() {
		return goTest{None: "the fault needs the device, which it takes down; `slidefuzz replay` runs it"}, nil
	}
	if race := d.Race; race != nil && r.ordered() {
		if f, ok := freeze(race); ok && f.fails() {
			source, err := r.fill(f)
			return goTest{Frozen: true, Source: source}, err
		}
	}
	c := r.raceCase()
	device := c.Target.Device
	switch {
	case window.OnGPU(device):
		return goTest{None: "the fault needs the device; `slidefuzz replay` runs it"}, nil
	case device == "host" && (d.Race != nil || d.Runs != nil) && !always(d.Runs):
		return goTest{None: "the device orders the blocks itself, and the case does not fail in every run; `slidefuzz replay` runs it"}, nil
	case c.Check(corpus.DefaultLimit) != nil:
		return goTest{None: "the case takes more memory than a test is given; `slidefuzz replay` runs it"}, nil
	}
	source, err := r.fill(frozen{})
	return goTest{Source: source}, err
}

// fill fills in the template of the test.
func (r Report) fill(f frozen) ([]byte, error) {
	c := r.withExpect()
	if r.Divergence.Sim != nil {
		c = r.Divergence.Sim
	}
	data := struct {
		Blocks  []string
		Order   []int
		Names   []string
		Quoted  string
		OneLine string
	}{f.table(), f.order, nil, goQuote(string(c.Text())), oneLine(r.Divergence.String())}
	if len(f.blocks) > 0 {
		data.Names = r.Divergence.Race.Names
	}
	var b bytes.Buffer
	if err := testTemplate.Execute(&b, data); err != nil {
		return nil, err
	}
	return format.Source(b.Bytes())
}

// goQuote writes text as a Go literal that stays readable where it can.
func goQuote(text string) string {
	plain := func(line string) bool { return strconv.CanBackquote(line) }
	if lines := strings.Split(text, "\n"); slices.IndexFunc(lines, func(l string) bool { return !plain(l) }) >= 0 {
		return strconv.Quote(text)
	}
	return "`" + text + "`"
}
