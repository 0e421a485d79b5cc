package judge

import (
	"bytes"
	"fmt"
	"slices"
	"unsafe"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// compared compares rows with those of the history, bit for bit.
type compared struct{ j *Judge }

func (c compared) Chunk(o *corpus.Op, serial int) (keys, values *impls.Tensor) {
	j, s, q := c.j, c.j.now(), o.N
	for i := range j.chunk {
		x, t := &j.chunk[i], oracle.Tensor(i)
		if x.Rows != q || x.Batch != s.Batch || x.Data == nil {
			j.memory[i] = grow(j.memory[i], s.Lanes()*q*s.RowBytes())
			*x = impls.TensorOver(s, q, j.memory[i])
		}
		if o.N == 1 && o.Each == nil && o.Pad == nil {
			if rows := j.code.token(t, j.lane(0, s.Heads), s.Lanes(), serial); rows != nil {
				copy(x.Data, rows) // one row of each lane: in both layouts
				j.handing[i] = rows
				j.history.AppendToken(t, rows)
				continue
			}
		}
		j.fill(x, t, o, serial)
		j.copied[i] = append(j.copied[i][:0], x.Data...)
		j.handing[i] = j.copied[i]
		for b := range s.Batch {
			from := q - o.Of(b) // the rows before are not for the cache
			for lane := b * s.Heads; lane < (b+1)*s.Heads; lane++ {
				if s.Layout == impls.HeadsFirst {
					j.history.AppendLane(t, lane, x.Data[lane*x.LaneStride+from*x.RowStride:(lane+1)*x.LaneStride])
					continue
				}
				for row := from; row < q; row++ {
					j.history.AppendLane(t, lane, x.Row(lane, row))
				}
			}
		}
	}
	return &j.chunk[0], &j.chunk[1]
}

// Mismatched makes a chunk whose cells are those of the cache's own tokens, as far
// as it has such, so that a part of it that is stored all the same is known.
func (c compared) Mismatched(o *corpus.Op, serial int) (keys, values impls.Tensor, err error) {
	j, own := c.j, c.j.now()
	s := o.Shape(own)
	code := &j.code.Encoding
	if s.DType != own.DType {
		if code, err = j.Encoding(s); err != nil {
			return keys, values, err
		}
		own = s
	}
	size := s.DType.Size()
	row := make([]byte, own.RowBytes())
	both := [2]impls.Tensor{impls.NewTensor(s, o.N), impls.NewTensor(s, o.N)}
	for t := range both {
		for lane := range s.Lanes() {
			from := lane/s.Heads%own.Batch*own.Heads + lane%s.Heads%own.Heads
			for i := range o.N {
				code.PutRow(row, oracle.Tensor(t), from, serial+i)
				to := both[t].Row(lane, i)
				for e := 0; e < s.Dim; e++ {
					copy(to[e*size:(e+1)*size], row[e%own.Dim*size:])
				}
			}
		}
	}
	return both[0], both[1], nil
}

func (c compared) Caller(*corpus.Op) *corpus.Divergence {
	j := c.j
	for i := range j.chunk {
		if !bytes.Equal(j.chunk[i].Data, j.handing[i]) {
			return j.Fault(corpus.FaultCaller, oracle.Tensor(i).String(), "the update changed the caller's own tensor")
		}
	}
	return nil
}

// lane is that of the encoding for a lane of the layer under way.
func (j *Judge) lane(lane, heads int) int { return lane + j.history.First()*heads }

func (c compared) Returned(k, v *impls.Tensor, o *corpus.Op) *corpus.Divergence {
	j := c.j
	if d := j.checkReturned([2]*impls.Tensor{k, v}, o); d != nil {
		return j.changed(d)
	}
	j.refused = 0
	if j.contract == oracle.Chunks || o.N > j.c.Shape.Window || j.lists != nil {
		return j.checkStored()
	}
	// What is returned is the buffer itself, which has just been judged.
	keys, values, ok := j.cache.Stored()
	if !ok {
		return nil
	}
	if at(keys) != at(k) || at(values) != at(v) {
		return j.Fault(corpus.FaultMoved, "-", "update returned a copy, not its buffer")
	}
	return j.checkMoved(keys, values)
}

func (c compared) Buffers() *corpus.Divergence { return c.j.checkStored() }

// Unchanged judges the cache after a refusal: now where it shows its buffers,
// else by the rows that it returns next.
func (c compared) Unchanged() *corpus.Divergence {
	j := c.j
	j.refused = j.op + 1
	d := j.changed(j.checkStored())
	if _, _, ok := j.cache.Stored(); ok {
		j.refused = 0
	}
	return d
}

// changed turns what is wrong after a refusal into a fault of its own. Whether
// the refusal is to blame is known of a cache alone that shows its buffers, or
// does the same each time: see Uncertain.
func (j *Judge) changed(d *corpus.Divergence) *corpus.Divergence {
	if d == nil || j.refused == 0 || d.Fault != corpus.FaultRows && d.Fault != corpus.FaultShape {
		return d
	}
	if _, uncertain := j.cache.(Uncertain); uncertain {
		return d
	}
	return Blame(d, j.c, j.refused)
}

// Uncertain is a Subject that may do something else the next time, so that a
// refusal is not blamed for wrong rows without a second look.
type Uncertain interface{ Uncertain() }

// Blame says that the operation of a case that was refused changed the cache.
func Blame(d *corpus.Divergence, c *corpus.Case, refused int) *corpus.Divergence {
	kind := c.Ops[refused-1].Kind
	which := fmt.Sprintf("a refused %s", kind)
	if refused != d.Op {
		which = fmt.Sprintf("the %s that was refused at op %d", kind, refused)
	}
	d.Detail = which + " changed the cache: " + d.String()
	d.Fault, d.Race = corpus.FaultChanged, nil
	return d
}

// fill writes the rows of tokens into the chunk of an append.
func (j *Judge) fill(chunk *impls.Tensor, t oracle.Tensor, o *corpus.Op, serial int) {
	of, size := j.lane(0, chunk.Heads)-1, chunk.RowBytes()
	for b := range chunk.Batch {
		padded := max(o.PadOf(b), chunk.Rows-o.Of(b))
		for lane := b * chunk.Heads; lane < (b+1)*chunk.Heads; lane++ {
			of++
			at := lane * chunk.LaneStride
			if rows := j.code.rows(t, of, serial, chunk.Rows); rows != nil && padded == 0 {
				if chunk.RowStride == size {
					copy(chunk.Data[at:at+len(rows)], rows)
					continue
				}
				for ; len(rows) > 0; rows = rows[size:] {
					copy(chunk.Data[at:at+size], rows)
					at += chunk.RowStride
				}
				continue
			}
			for i := range chunk.Rows {
				s := serial + i
				if i < padded {
					s = oracle.Padding
				}
				j.code.PutRow(chunk.Data[at:], t, of, s)
				at += chunk.RowStride
			}
		}
	}
}

// sameRows compares rows from row on of one lane with want, row for row.
func sameRows(x *impls.Tensor, lane, row int, want []byte) bool {
	size := x.RowBytes()
	if x.RowStride == size {
		from := lane*x.LaneStride + row*size
		return bytes.Equal(x.Data[from:from+len(want)], want)
	}
	at := lane*x.LaneStride + row*x.RowStride
	for len(want) > 0 {
		if !bytes.Equal(x.Data[at:at+size], want[:size]) {
			return false
		}
		at, want = at+x.RowStride, want[size:]
	}
	return true
}

// checkStored judges the buffers of a cache that shows them, and has no order of its
// own.
func (j *Judge) checkStored() *corpus.Divergence {
	k, v, ok := j.cache.Stored()
	if !ok || j.cache.Positions() != nil {
		return nil
	}
	s := j.now()
	for i, x := range [...]*impls.Tensor{k, v} {
		t := oracle.Tensor(i)
		if x.Rows != s.Window || x.Batch != s.Batch || x.Heads != s.Heads || x.Dim != s.Dim || x.DType != s.DType {
			return j.Fault(corpus.FaultShape, t.String(), fmt.Sprintf("stored %s, want %s", shapeOf(x), corpus.Plural(s.Window, "row")))
		}
		if d := j.checkRows(x, t, stored); d != nil {
			return d
		}
	}
	return j.checkMoved(k, v)
}

func shapeOf(x *impls.Tensor) string {
	return fmt.Sprintf("[%d, %d, %d, %d] of %s", x.Batch, x.Heads, x.Rows, x.Dim, x.DType)
}

func (j *Judge) checkMoved(k, v *impls.Tensor) *corpus.Divergence {
	for i, x := range [...]*impls.Tensor{k, v} {
		p := at(x)
		if j.buffer[i] != nil && j.buffer[i] != p {
			return j.Fault(corpus.FaultMoved, oracle.Tensor(i).String(), "the buffer has another address than before")
		}
		j.buffer[i] = p
	}
	return nil
}

func at(x *impls.Tensor) *byte { return unsafe.SliceData(x.Data) }

// checkRows judges rows in the usual order: of each entry the newest tokens, as many
// as there are rows, oldest first, and zeros after them.
func (j *Judge) checkRows(x *impls.Tensor, t oracle.Tensor, where string) *corpus.Divergence {
	dense := x.RowStride == x.RowBytes()
	for b := range x.Batch {
		n := j.history.Len(b)
		live := min(n, x.Rows)
		rest := j.zero((x.Rows - live) * x.RowBytes())
		for lane := b * x.Heads; lane < (b+1)*x.Heads; lane++ {
			want := j.history.Rows(t, lane, n-live, n)
			var right bool
			if at := lane * x.LaneStride; dense {
				// A lane's rows, then its empty ones, are one stretch each.
				got := x.Data[at : at+len(want)+len(rest)]
				right = bytes.Equal(got[:len(want)], want) && (len(rest) == 0 || bytes.Equal(got[len(want):], rest))
			} else {
				right = sameRows(x, lane, 0, want) && sameRows(x, lane, live, rest)
			}
			if !right && j.live(x, t, lane, where) == live {
				return j.rowFault(x, t, where)
			}
		}
	}
	return nil
}

// live is how many tokens the rows of a lane must begin with: as many as there are
// rows. After a crop the buffers may hold one less, which is all that the next query
// sees.
func (j *Judge) live(x *impls.Tensor, t oracle.Tensor, lane int, where string) int {
	n := j.history.Len(lane / x.Heads)
	live := min(n, x.Rows)
	if where != stored || !j.cropped || live < x.Rows {
		return live
	}
	if sameRows(x, lane, 0, j.history.Rows(t, lane, n-live+1, n)) && sameRows(x, lane, live-1, j.zero(x.RowBytes())) {
		return live - 1
	}
	return live
}

// stored is where rows are that a cache shows in its buffers.
const stored = "stored"

func (j *Judge) zero(n int) []byte {
	j.zeros = grow(j.zeros, n)
	return j.zeros
}

// rowFault finds the first cell that is wrong in rows of the usual order and says
// what it holds.
func (j *Judge) rowFault(x *impls.Tensor, t oracle.Tensor, where string) *corpus.Divergence {
	d := j.Fault(corpus.FaultRows, t.String(), "")
	d.Where = where + j.layerText()
	size := x.DType.Size()
	zero := make([]byte, x.RowBytes())
	for lane := range x.Lanes() {
		n, live := j.history.Len(lane/x.Heads), j.live(x, t, lane, where)
		for i := range x.Rows {
			want, position := zero, n-live+i
			if i < live {
				want = j.history.Rows(t, lane, position, position+1)
			}
			j.wrongCells(d, x.Row(lane, i), want, size, func() {
				d.Lane, d.Row = lane, i
				d.Got, d.Want = j.describe(x.Row(lane, i), size, t, lane), "nothing (zeros)"
				if i < live {
					d.Want = j.history.Name(t, lane, position)
				}
			})
		}
	}
	j.explain(d, t, j.cache.LastPlan())
	y := *x // as in look
	j.look(d, x, t, func(lane, row int) int {
		n, live := j.history.Len(lane/y.Heads), j.live(&y, t, lane, where)
		if row < live {
			return n - live + row
		}
		return zeros
	})
	return d
}

// wrongCells counts the cells that differ, and calls first at the first of all.
func (j *Judge) wrongCells(d *corpus.Divergence, got, want []byte, size int, first func()) {
	for e := 0; e < len(want); e += size {
		if bytes.Equal(got[e:e+size], want[e:e+size]) {
			continue
		}
		if d.Wrong == 0 {
			d.Elem = e / size
			first()
		}
		d.Wrong++
	}
}

// describe says what a row holds; where it is no token of the layer, it may be one
// of another.
func (j *Judge) describe(row []byte, size int, t oracle.Tensor, lane int) string {
	s := j.history.Describe(row, size, t, lane)
	for l, h := range j.layers {
		if s != oracle.Unknown {
			break
		}
		if h != j.history {
			if s = h.Describe(row, size, t, lane); s != oracle.Unknown {
				s += fmt.Sprintf(" of layer %d", l)
			}
		}
	}
	return s
}

// layerText says which layer returned the rows, where there are several.
func (j *Judge) layerText() string { return j.ofLayer(" by layer %d") }

// layerNote says behind a sentence which layer it is about.
func (j *Judge) layerNote() string { return j.ofLayer(" (layer %d)") }

func (j *Judge) ofLayer(format string) string {
	if l := slices.Index(j.layers, j.history); len(j.layers) > 1 {
		return fmt.Sprintf(format, l)
	}
	return ""
}

// grow makes b n bytes long; what it held is of no interest.
func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
