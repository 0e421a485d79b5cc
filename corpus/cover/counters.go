package cover

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Go's coverage files are read here, not by `go tool covdata`: that is a process
// for each input, 100 times what running the input takes, and the standard library
// has no package for it. Their format is described in internal/coverage/defs.go of
// the Go tree; it has had version 1 since Go 1.20. Another one is refused.
const formatVersion = 1

var (
	metaMagic    = [4]byte{0, 'c', 'v', 'm'}
	counterMagic = [4]byte{0, 'c', 'w', 'm'}
)

// errFormat is a file of another version, or none at all.
var errFormat = errors.New("the coverage data are not of version 1, which Go 1.20 to 1.26 write; use such a Go, or tell the makers of slidefuzz which one it was")

// Meta says which blocks of code a program has counters for. Blocks are numbered
// from 0, by package, function and place.
type Meta struct {
	hash     [16]byte
	packages []metaPackage
	blocks   int
}

type metaPackage struct{ functions []metaFunction }

type metaFunction struct {
	file  string
	first int // the number of its first block
	units []metaUnit
}

// metaUnit is where a block is, as lines and columns.
type metaUnit struct{ line, column, endLine, endColumn int }

// Blocks is how many blocks there are.
func (m *Meta) Blocks() int { return m.blocks }

// Place is where a block is, as PACKAGE/FILE.go:LINE.COLUMN,LINE.COLUMN, the form
// of go test -coverprofile.
func (m *Meta) Place(block int32) string {
	for _, p := range m.packages {
		for _, f := range p.functions {
			if i := int(block) - f.first; i >= 0 && i < len(f.units) {
				u := f.units[i]
				return fmt.Sprintf("%s:%d.%d,%d.%d", f.file, u.line, u.column, u.endLine, u.endColumn)
			}
		}
	}
	return fmt.Sprintf("block %d", block)
}

// reader reads little-endian numbers and those of variable length; past the end
// they are 0, and short says so.
type reader struct {
	rest  []byte
	short bool
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.rest)) {
		r.short, r.rest = true, nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) fixed(to any) {
	if r.short {
		return
	}
	n, err := binary.Decode(r.rest, binary.LittleEndian, to)
	if err != nil {
		r.short, r.rest = true, nil
		return
	}
	r.rest = r.rest[n:]
}

func (r *reader) number() uint64 {
	x, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.short, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[n:]
	return x
}

// strings is a table: how many, then the length and bytes of each.
func (r *reader) strings() []string {
	var all []string
	for n := r.number(); n > 0 && !r.short; n-- {
		all = append(all, string(r.bytes(r.number())))
	}
	return all
}

// ReadMeta reads what runtime/coverage.WriteMeta wrote.
func ReadMeta(data []byte) (*Meta, error) {
	r := &reader{rest: data}
	var head struct {
		Magic                      [4]byte
		Version                    uint32
		Length, Packages           uint64
		Hash                       [16]byte
		StringsOffset, StringsSize uint32
		Mode, Granularity          uint8
		_                          [6]byte
	}
	r.fixed(&head)
	if r.short || head.Magic != metaMagic || head.Version != formatVersion || head.Packages > uint64(len(data)/16) {
		return nil, errFormat
	}
	if head.Granularity != 1 { // a counter for a function
		return nil, errors.New("the program counts functions, not blocks: leave GOEXPERIMENT and -gcflags alone")
	}
	offsets, sizes := make([]uint64, head.Packages), make([]uint64, head.Packages)
	r.fixed(offsets)
	r.fixed(sizes)
	m := &Meta{hash: head.Hash}
	for i, from := range offsets {
		if r.short || from > uint64(len(data)) || sizes[i] > uint64(len(data))-from {
			return nil, errFormat
		}
		p, err := m.readPackage(data[from : from+sizes[i]])
		if err != nil {
			return nil, err
		}
		m.packages = append(m.packages, p)
	}
	return m, nil
}

// readPackage reads the part of a package, and numbers its blocks.
func (m *Meta) readPackage(data []byte) (p metaPackage, err error) {
	r := &reader{rest: data}
	var head struct {
		Length, Name, Path, Module uint32
		Hash                       [16]byte
		_                          [4]byte
		Files, Functions           uint32
	}
	r.fixed(&head)
	if r.short || int64(head.Functions) > int64(len(data)/4) {
		return p, errFormat
	}
	offsets := make([]uint32, head.Functions)
	r.fixed(offsets)
	names := r.strings()
	for _, from := range offsets {
		if r.short || int64(from) > int64(len(data)) {
			return p, errFormat
		}
		f := &reader{rest: data[from:]}
		units, _, file := f.number(), f.number(), f.number()
		if file >= uint64(len(names)) || units > uint64(len(data)) {
			return p, errFormat
		}
		x := metaFunction{file: names[file], first: m.blocks}
		for range units {
			x.units = append(x.units, metaUnit{int(f.number()), int(f.number()), int(f.number()), int(f.number())})
			f.number() // its statements
		}
		if f.short {
			return p, errFormat
		}
		m.blocks += len(x.units)
		if m.blocks > math.MaxInt32 {
			return p, errors.New("the program has more blocks than can be numbered: cover fewer packages")
		}
		p.functions = append(p.functions, x)
	}
	return p, nil
}

// Counters reads what runtime/coverage.WriteCounters wrote in the program of m:
// the blocks that ran at least once.
func (m *Meta) Counters(data []byte) ([]int32, error) {
	const footer = 16
	r := &reader{rest: data}
	var head struct {
		Magic     [4]byte
		Version   uint32
		Hash      [16]byte
		Flavor    uint8
		BigEndian bool
		_         [6]byte
	}
	r.fixed(&head)
	if r.short || head.Magic != counterMagic || head.Version != formatVersion || head.BigEndian {
		return nil, errFormat
	}
	if head.Hash != m.hash {
		return nil, errors.New("the counters are those of another program")
	}
	if len(r.rest) < footer || !bytes.Equal(r.rest[len(r.rest)-footer:][:4], counterMagic[:]) {
		return nil, errFormat
	}
	var segment struct {
		Functions             uint64
		StringsSize, ArgsSize uint32
	}
	r.fixed(&segment)
	r.bytes(uint64(segment.StringsSize) + uint64(segment.ArgsSize))
	if pad := (len(data) - len(r.rest)) % 4; pad != 0 {
		r.bytes(uint64(4 - pad))
	}
	next := r.number
	const raw, uleb = 1, 2
	switch head.Flavor {
	case uleb:
	case raw:
		next = func() uint64 {
			var x uint32
			r.fixed(&x)
			return uint64(x)
		}
	default:
		return nil, errFormat
	}
	var covered []int32
	for range segment.Functions {
		counters, pkg, function := next(), next(), next()
		if r.short || pkg >= uint64(len(m.packages)) || function >= uint64(len(m.packages[pkg].functions)) {
			return nil, errFormat
		}
		f := m.packages[pkg].functions[function]
		if counters != uint64(len(f.units)) {
			return nil, errFormat
		}
		for i := range f.units {
			if next() != 0 {
				covered = append(covered, int32(f.first+i))
			}
		}
		if r.short {
			return nil, errFormat
		}
	}
	return covered, nil
}
