package window

import (
	"slices"

	"github.com/slidefuzz/slidefuzz/impls/inplace"
)

// program is a program that is a target by itself.
type program struct {
	name string
	// make is the program on a buffer x of w rows, and others where it needs them.
	make func(w int) inplace.Program
	// faults are the known-bad lowerings that the hunts have it under, beside the sound
	// ones.
	faults []inplace.Lowering
}

// programs lists them. Stored fuzz inputs do not depend on it.
var programs = []program{
	{"up-shift", func(w int) inplace.Program { return shift(w, 1, 0) }, []inplace.Lowering{inplace.DropWAR, inplace.DropClone, inplace.ChunkForward}},
	{"down-shift", func(w int) inplace.Program { return shift(w, 0, 1) }, []inplace.Lowering{inplace.DropWAR, inplace.DropClone}},
	{"shift-two", shiftTwo, []inplace.Lowering{inplace.DropFar}},
	{"index-read", indexRead, []inplace.Lowering{inplace.FuseIndex}},
	{"write-read", writeRead, []inplace.Lowering{inplace.ReadEarly}},
	{"roll-row", rollRow, []inplace.Lowering{inplace.OneBlock}},
	{"return-write", returnWrite, []inplace.Lowering{inplace.LateReturn}},
	{"shift-reshaped", shiftReshaped, []inplace.Lowering{inplace.DropReshaped}},
}

// BuiltinProgram is a program that is a target by itself, on a buffer x of w
// rows.
func BuiltinProgram(name string, w int) (inplace.Program, bool) {
	for i := range programs {
		if programs[i].name == name {
			return programs[i].make(w), true
		}
	}
	return inplace.Program{}, false
}

func isBuiltinProgram(name string) bool {
	return slices.ContainsFunc(programs, func(p program) bool { return p.name == name })
}

// sideBuffer is a second buffer that a built-in program reads or writes.
const sideBuffer = "y"

// shift moves w-1 rows of x by way of a clone.
func shift(w, to, from int) inplace.Program {
	move := inplace.Assign(cacheBuffer, to, to+w-1, inplace.Clone(inplace.View(cacheBuffer, from, from+w-1)))
	return inplace.Program{Buffers: []inplace.Buffer{{Name: cacheBuffer, Rows: w}}, Stmts: []inplace.Stmt{move}}
}

// shiftTwo is the step of cat for two new rows.
func shiftTwo(w int) inplace.Program {
	n := min(2, w)
	return inplace.Program{
		Buffers: []inplace.Buffer{{Name: cacheBuffer, Rows: w}, {Name: ChunkBuffer, Rows: n}},
		Stmts:   []inplace.Stmt{inplace.Assign(cacheBuffer, 0, w, inplace.Cat(inplace.View(cacheBuffer, n, w), inplace.View(ChunkBuffer, 0, n)))},
	}
}

// indexRead writes the last row by an index and reads all but the first.
func indexRead(w int) inplace.Program {
	return inplace.Program{
		Buffers: []inplace.Buffer{{Name: cacheBuffer, Rows: w}, {Name: ChunkBuffer, Rows: 1}, {Name: sideBuffer, Rows: w}},
		Stmts: []inplace.Stmt{
			inplace.AssignIndex(cacheBuffer, []int{w - 1}, inplace.View(ChunkBuffer, 0, 1)),
			inplace.Assign(sideBuffer, 0, w-1, inplace.View(cacheBuffer, 1, w)),
		},
	}
}

// writeRead writes the last row as a slice and reads all rows.
func writeRead(w int) inplace.Program {
	return inplace.Program{
		Buffers: []inplace.Buffer{{Name: cacheBuffer, Rows: w}, {Name: ChunkBuffer, Rows: 1}, {Name: sideBuffer, Rows: w}},
		Stmts: []inplace.Stmt{
			inplace.Assign(cacheBuffer, w-1, w, inplace.View(ChunkBuffer, 0, 1)),
			inplace.Assign(sideBuffer, 0, w, inplace.View(cacheBuffer, 0, w)),
		},
	}
}

// returnWrite returns all rows and then writes the last one.
func returnWrite(w int) inplace.Program {
	return inplace.Program{
		Buffers: []inplace.Buffer{{Name: cacheBuffer, Rows: w}, {Name: ChunkBuffer, Rows: 1}},
		Stmts: []inplace.Stmt{
			inplace.Return(inplace.Plain, inplace.View(cacheBuffer, 0, w)),
			inplace.Assign(cacheBuffer, w-1, w, inplace.View(ChunkBuffer, 0, 1)),
		},
	}
}

// shiftReshaped moves all rows but the first down by one, and returns the rows of each
// lane as one.
func shiftReshaped(w int) inplace.Program {
	return inplace.Program{
		Buffers: []inplace.Buffer{{Name: cacheBuffer, Rows: w}},
		Stmts: []inplace.Stmt{
			inplace.Assign(cacheBuffer, 0, w-1, inplace.View(cacheBuffer, 1, w)),
			inplace.Return(inplace.Reshaped, inplace.View(cacheBuffer, 0, w)),
		},
	}
}

// rollRow is the step of roll.
func rollRow(w int) inplace.Program {
	return inplace.Program{Buffers: []inplace.Buffer{{Name: cacheBuffer, Rows: w}, {Name: ChunkBuffer, Rows: 1}}, Stmts: rollStep(w)}
}

// shows lists, for each known-bad lowering, the sound updates and the programs that it
// breaks. Each lowering has its fault in one place, and leaves the meaning of all
// others alone.
var shows = map[inplace.Lowering][]string{
	// A barrier between the read and the write spares shift-index, shift-assign and
	// roll-index.
	inplace.DropWAR:      {"cat", "cat-assign", "roll", "roll-assign", "up-shift", "down-shift", "shift-two", "roll-row", "shift-reshaped"},
	inplace.DropClone:    {"up-shift", "down-shift"},
	inplace.DropFar:      {"shift-two"},
	inplace.ChunkForward: {"up-shift"},
	inplace.FuseIndex:    {"index-read"},
	inplace.ReadEarly:    {"write-read", "shift-reshaped"},
	inplace.LateReturn:   {"return-write"},
	inplace.DropReshaped: {"shift-reshaped"},
	// The new row is assigned to what is still to be computed.
	inplace.OneBlock: {"roll", "roll-assign", "roll-row"},
}
