package inplace

import (
	"fmt"
	"strconv"
	"strings"
)

// Map is a kernel that somebody else wrote, as a text says which element of which
// storage each of its cells reads and writes.
type Map struct {
	Names  []string // of the storages
	Kernel *Kernel
}

// Bounds of a map that is read from a text: what the detector takes for it stays under
// a GiB.
const (
	maxMapCopies   = 1 << 20
	maxMapElements = 1 << 27 // of all storages, and cells
)

// ParseMap reads a map:
//
//	slidefuzz kernel v1
//	storage x 64            # a name, and how many elements it has
//	storage new 16
//	block 16                # cells a block
//	x[0:48] = x[16:64]      # cells 0 to 47: each reads one element and writes one
//	x[48:64] = new[0:16]    # cells 48 to 63
//
// A line "repeat 8 x 64 new 16" runs the lines that follow it, up to the next repeat, 8
// times; each time x is 64 elements further and new 16. "repeat 1" ends it. Cells are numbered in the order of the lines. Errors
// are told with file and line, as name:line.
func ParseMap(name, text string) (*Map, error) {
	p := &mapParser{sizes: map[string]int{}, store: map[string]int{}}
	for i, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, "#")
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if err := p.line(line); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, i+1, err)
		}
	}
	m, err := p.finish()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return m, nil
}

const mapHeader = "slidefuzz kernel v1"

type mapParser struct {
	header   bool
	names    []string
	sizes    map[string]int // elements
	store    map[string]int // index
	elements int            // of all
	block    int
	copies   []Copy
	cell     int

	times int // of the repeat under way, 0 for none
	steps map[string]int
	body  []Copy // of one time
}

func (p *mapParser) line(line string) error {
	if !p.header {
		if line != mapHeader {
			return fmt.Errorf("the first line must be %q", mapHeader)
		}
		p.header = true
		return nil
	}
	f := strings.Fields(line)
	switch f[0] {
	case "storage":
		if len(f) != 3 {
			return fmt.Errorf("storage: want a name and a number of elements, as in storage x 64")
		}
		n, err := mapNumber(f[2], 1, maxMapElements-p.elements)
		if err != nil {
			return err
		}
		if _, ok := p.sizes[f[1]]; ok || strings.ContainsAny(f[1], "[]:=") {
			return fmt.Errorf("storage %q: the name is taken, or has one of []:= in it", f[1])
		}
		p.store[f[1]], p.sizes[f[1]] = len(p.names), n
		p.names = append(p.names, f[1])
		p.elements += n
		return nil
	case "block":
		if len(f) != 2 || p.block != 0 {
			return fmt.Errorf("block: want one line with one number of cells, as in block 16")
		}
		var err error
		p.block, err = mapNumber(f[1], 1, maxMapElements)
		return err
	case "repeat":
		return p.repeat(f[1:])
	}
	to, from, ok := strings.Cut(line, "=")
	if !ok {
		return fmt.Errorf("%q: want storage, block, repeat or an assignment such as x[0:48] = x[16:64]", line)
	}
	dst, lo, hi, err := p.view(to)
	if err != nil {
		return err
	}
	src, sLo, sHi, err := p.view(from)
	if err != nil {
		return err
	}
	if hi-lo != sHi-sLo {
		return fmt.Errorf("%d elements are written and %d read", hi-lo, sHi-sLo)
	}
	c := Copy{Dst: dst, To: lo, Src: src, From: sLo, N: hi - lo}
	if p.times > 0 {
		p.body = append(p.body, c)
		return nil
	}
	return p.add(c)
}

func (p *mapParser) add(c Copy) error {
	if len(p.copies) == maxMapCopies {
		return fmt.Errorf("more than %d stretches", maxMapCopies)
	}
	for _, e := range [...]struct{ store, end int }{{c.Dst, c.To + c.N}, {c.Src, c.From + c.N}} {
		if name := p.names[e.store]; e.end > p.sizes[name] {
			return fmt.Errorf("%s has %d elements, and %d are touched", name, p.sizes[name], e.end)
		}
	}
	if c.Cell = p.cell; c.N > maxMapElements-p.cell {
		return fmt.Errorf("more than %d cells", maxMapElements)
	}
	p.cell += c.N
	p.copies = append(p.copies, c)
	return nil
}

func (p *mapParser) repeat(f []string) error {
	if err := p.endRepeat(); err != nil {
		return err
	}
	if len(f)%2 != 1 {
		return fmt.Errorf("repeat: want a number of times, then names of storages with how far each goes, as in repeat 8 x 64")
	}
	var err error
	if p.times, err = mapNumber(f[0], 1, maxMapCopies); err != nil {
		return err
	}
	p.steps = map[string]int{}
	for i := 1; i < len(f); i += 2 {
		if _, ok := p.sizes[f[i]]; !ok {
			return fmt.Errorf("there is no storage %q: name it in a line before", f[i])
		}
		if p.steps[f[i]], err = mapNumber(f[i+1], 0, maxMapElements); err != nil {
			return err
		}
	}
	return nil
}

func (p *mapParser) endRepeat() error {
	for i := range p.times {
		for _, c := range p.body {
			c.To += i * p.steps[p.names[c.Dst]]
			c.From += i * p.steps[p.names[c.Src]]
			if err := p.add(c); err != nil {
				return err
			}
		}
	}
	p.times, p.body = 0, nil
	return nil
}

func (p *mapParser) finish() (*Map, error) {
	if !p.header {
		return nil, fmt.Errorf("the first line must be %q", mapHeader)
	}
	if err := p.endRepeat(); err != nil {
		return nil, err
	}
	if p.block == 0 || len(p.copies) == 0 {
		return nil, fmt.Errorf("want a line block and at least one assignment")
	}
	return &Map{p.names, NewKernel(0, p.block, p.copies)}, nil
}

// view reads NAME[LO:HI].
func (p *mapParser) view(text string) (store, lo, hi int, err error) {
	text = strings.TrimSpace(text)
	name, rest, ok := strings.Cut(text, "[")
	span, end, closed := strings.Cut(rest, "]")
	from, to, colon := strings.Cut(span, ":")
	if !ok || !closed || end != "" || !colon {
		return 0, 0, 0, fmt.Errorf("%q: want elements of a storage, as in x[0:48]", text)
	}
	store, known := p.store[name]
	if !known {
		return 0, 0, 0, fmt.Errorf("there is no storage %q: name it in a line before", name)
	}
	if lo, err = mapNumber(from, 0, maxMapElements); err != nil {
		return 0, 0, 0, err
	}
	if hi, err = mapNumber(to, lo+1, maxMapElements); err != nil {
		return 0, 0, 0, err
	}
	return store, lo, hi, nil
}

func mapNumber(text string, lo, hi int) (int, error) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil || n < lo || n > hi {
		return 0, fmt.Errorf("%q: want a number from %d to %d", text, lo, hi)
	}
	return n, nil
}

// Collision is the hazards of two blocks of one kind in one storage.
type Collision struct {
	Hazard     // the first
	Cells  int // how many cells they share so
}

// MaxCollisions bounds the pairs that Collisions lists: no more are looked for.
const MaxCollisions = 1 << 16

// Collisions lists the pairs of blocks that must not change places, in the order in
// which they are met, MaxCollisions of them at most.
func (k *Kernel) Collisions() []Collision {
	type key struct {
		kind                   HazardKind
		storage, writer, other int
	}
	var all []Collision
	at := map[key]int{}
	k.Hazards(func(h Hazard) bool {
		x := key{h.Kind, h.Storage, h.Writer, h.Other}
		i, ok := at[x]
		if !ok {
			if i = len(all); i == MaxCollisions {
				return false
			}
			at[x] = i
			all = append(all, Collision{Hazard: h})
		}
		all[i].Cells++
		return true
	})
	return all
}
