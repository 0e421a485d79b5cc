package judge

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/impls/inplace"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// What a picture of a failure shows: as many rows as fit a screen of the lane at
// fault, a few of some others, so that a fault in one head can be told from one in
// all. The bounds also keep what is noted of each candidate of a shrink small.
const (
	lookRows      = 24
	lookMoreRows  = 8
	lookLanes     = 4
	lookHeld      = 16 // rows of a program's buffer
	lookStatement = 12 // statements before the one at fault
)

// What a row should hold that holds no token.
const (
	zeros    = -1
	anything = -2
)

// view is a tensor that is looked at: how its rows are named.
type view struct {
	x *impls.Tensor
	// want is the bytes of a row, nil for anything.
	want     func(lane, row int) []byte
	name     func(lane, row int) (position int, words string)
	describe func(row []byte, lane, elem int) string
}

// look notes the rows around the fault of a divergence in a tensor of the cache.
// position is that of the token which a row should hold, zeros or anything.
func (j *Judge) look(d *corpus.Divergence, of *impls.Tensor, t oracle.Tensor, position func(lane, row int) int) {
	seen := *of // a copy, so that what agrees is judged without an allocation
	x := &seen
	zero := make([]byte, x.RowBytes())
	v := view{
		x: x,
		want: func(lane, row int) []byte {
			switch p := position(lane, row); p {
			case zeros:
				return zero
			case anything:
				return nil
			default:
				return j.history.Rows(t, lane, p, p+1)
			}
		},
		name: func(lane, row int) (int, string) {
			switch p := position(lane, row); p {
			case zeros:
				return -1, "nothing (zeros)"
			case anything:
				return -1, ""
			default:
				return p, j.history.Name(t, lane, p)
			}
		},
		describe: func(row []byte, lane, _ int) string { return j.describe(row, x.DType.Size(), t, lane) },
	}
	v.note(d)
	d.Seen.Claimed = j.lists != nil && d.Where != stored
	if d.Fault != corpus.FaultVisible {
		return
	}
	// The row is right, and what is wrong is who attends to it.
	got := "attended to"
	if strings.Contains(d.Detail, "does not attend") {
		got = "not attended to"
	}
	for i := range d.Seen.Drawn[0].Rows {
		if r := &d.Seen.Drawn[0].Rows[i]; r.Row == d.Row {
			r.Got, r.Wrong = got, true
		}
	}
}

// look notes the rows around the fault in an output of a program; mem is the memory of
// the outputs.
func (v *Values) look(d *corpus.Divergence, mem [][]byte) {
	rows := v.outputs[v.wrong].rows
	x := v.tensor(v.wrong, mem[v.wrong])
	view{
		x:        &x,
		want:     func(lane, row int) []byte { return v.want(lane, *rows[row]) },
		name:     func(_, row int) (int, string) { return -1, v.name(*rows[row]) },
		describe: v.describe,
	}.note(d)
}

// note fills in what was seen.
func (v view) note(d *corpus.Divergence) {
	seen := &corpus.Seen{Rows: v.x.Rows, Lanes: v.x.Lanes()}
	d.Seen = seen
	fault := v.lane(d.Lane, d.Row, lookRows)
	if r := d.Race; r != nil && r.Lane == d.Lane && r.Names[r.Hazard.Storage] == d.Tensor && r.HazardRow < v.x.Rows {
		fault.Rows = v.with(fault.Rows, d.Lane, r.HazardRow)
	}
	seen.Drawn = append(seen.Drawn, fault)
	for lane := range v.x.Lanes() {
		first := -1
		for row := 0; row < v.x.Rows && first < 0; row++ {
			if !v.right(lane, row) {
				first = row
			}
		}
		if first < 0 {
			continue
		}
		seen.WrongLanes++
		if lane != d.Lane && len(seen.Drawn) < lookLanes {
			seen.Drawn = append(seen.Drawn, v.lane(lane, first, lookMoreRows))
		}
	}
}

func (v view) right(lane, row int) bool {
	want := v.want(lane, row)
	return want == nil || bytes.Equal(v.x.Row(lane, row), want)
}

// lane is n rows of a lane around one.
func (v view) lane(lane, row, n int) corpus.SeenLane {
	l := corpus.SeenLane{Lane: lane}
	for row := range v.x.Rows {
		if !v.right(lane, row) {
			l.Wrong++
		}
	}
	lo := max(0, min(row-n/2, v.x.Rows-n))
	for row := lo; row < min(v.x.Rows, lo+n); row++ {
		l.Rows = append(l.Rows, v.row(lane, row))
	}
	return l
}

// with is rows of a lane and another one, if it is not there, in order.
func (v view) with(rows []corpus.SeenRow, lane, row int) []corpus.SeenRow {
	switch {
	case len(rows) == 0 || row > rows[len(rows)-1].Row:
		return append(rows, v.row(lane, row))
	case row < rows[0].Row:
		return append([]corpus.SeenRow{v.row(lane, row)}, rows...)
	}
	return rows
}

func (v view) row(lane, row int) corpus.SeenRow {
	r := corpus.SeenRow{Row: row}
	r.Position, r.Want = v.name(lane, row)
	if !v.right(lane, row) {
		got, want := v.x.Row(lane, row), v.want(lane, row)
		elem, size := 0, v.x.DType.Size()
		for bytes.Equal(got[elem*size:(elem+1)*size], want[elem*size:(elem+1)*size]) {
			elem++
		}
		r.Wrong, r.Got = true, v.describe(got, lane, elem)
	}
	return r
}

// before is what the buffers of a program should hold after each statement up to
// the one at index last: of each the one that it writes.
func before(p inplace.Program, last int) []corpus.Held {
	v := NewLabels(p)
	var all []corpus.Held
	for i := range last + 1 {
		s := p.Stmts[i]
		v.Statement(s)
		if i <= last-lookStatement {
			continue
		}
		h := corpus.Held{Statement: s.String(), Buffer: p.Target(i)}
		rows := v.names[s.Dst]
		if s.Form != inplace.NotReturned {
			rows = v.outputs[len(v.outputs)-1].rows
		}
		for _, row := range rows[:min(len(rows), lookHeld)] {
			parts := make([]string, len(*row))
			for k, l := range *row {
				parts[k] = fmt.Sprintf("%s%d", p.Buffers[l.Buffer].Name, l.Row)
			}
			h.Rows = append(h.Rows, strings.Join(parts, "+"))
		}
		h.More = len(rows) - len(h.Rows)
		all = append(all, h)
	}
	return all
}
