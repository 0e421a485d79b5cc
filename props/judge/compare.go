package judge

import (
	"bytes"
	"fmt"
	"unsafe"

	"github.com/slidefuzz/slidefuzz/corpus"
	"github.com/slidefuzz/slidefuzz/impls"
	"github.com/slidefuzz/slidefuzz/oracle"
)

// compared compares rows with those of the history, bit for bit.
type compared struct{ j *Judge }

func (c compared) Chunk(o *corpus.Op, n int) (keys, values impls.Tensor) {
	j, s, q := c.j, c.j.c.Shape, o.N
	for i := range j.chunk {
		x, t := &j.chunk[i], oracle.Tensor(i)
		if x.Rows != q || x.Data == nil {
			j.memory[i] = grow(j.memory[i], s.Lanes()*q*s.RowBytes())
			*x = impls.TensorOver(s, q, j.memory[i])
		}
		j.fill(x, t, n, o.Pad)
		for lane := range x.Lanes() {
			if s.Layout == impls.HeadsFirst {
				j.history.AppendLane(t, lane, x.Data[lane*x.LaneStride:(lane+1)*x.LaneStride])
				continue
			}
			for row := range q {
				j.history.AppendLane(t, lane, x.Row(lane, row))
			}
		}
	}
	return j.chunk[0], j.chunk[1]
}

func (c compared) Mismatched(o *corpus.Op) (keys, values impls.Tensor, err error) {
	j, s := c.j, o.Shape(c.j.c.Shape)
	code, err := j.Encoding(s)
	if err != nil {
		return keys, values, err
	}
	own := j.code
	j.code = code
	keys, values = impls.NewTensor(s, o.N), impls.NewTensor(s, o.N)
	j.fill(&keys, oracle.Keys, j.history.Len(), nil)
	j.fill(&values, oracle.Values, j.history.Len(), nil)
	j.code = own
	return keys, values, nil
}

func (c compared) Caller(n, q int) *corpus.Divergence {
	j := c.j
	for t := range j.chunk {
		if !j.holds(&j.chunk[t], oracle.Tensor(t), n, n+q) {
			return j.Fault(corpus.FaultCaller, oracle.Tensor(t).String(), "the update changed the caller's own tensor")
		}
	}
	return nil
}

func (c compared) Returned(k, v *impls.Tensor, n, q int) *corpus.Divergence {
	j := c.j
	if d := j.checkReturned([2]*impls.Tensor{k, v}, n, q); d != nil {
		return j.changed(d)
	}
	j.refused = 0
	if j.contract == oracle.Chunks || q > j.c.Shape.Window {
		return j.checkStored()
	}
	// What is returned is the buffer itself, which has just been judged.
	keys, values, ok := j.cache.Stored()
	if !ok {
		return nil
	}
	if at(&keys) != at(k) || at(&values) != at(v) {
		return j.Fault(corpus.FaultMoved, "-", "update returned a copy, not its buffer")
	}
	return j.checkMoved(&keys, &values)
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

// Refused is the operation, counted from 1, that was refused since rows were
// judged last, 0 if none was.
func (j *Judge) Refused() int { return j.refused }

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

// fill writes the rows of tokens n, n+1, … into a chunk.
func (j *Judge) fill(chunk *impls.Tensor, t oracle.Tensor, n int, pad []int) {
	for lane := range chunk.Lanes() {
		at := lane * chunk.LaneStride
		for i := range chunk.Rows {
			position := n + i
			if pad != nil && i < pad[lane/chunk.Heads] {
				position = -1
			}
			j.code.PutRow(chunk.Data[at:], t, lane, position)
			at += chunk.RowStride
		}
	}
}

// holds reports whether a tensor holds tokens lo to hi-1 and nothing else.
func (j *Judge) holds(x *impls.Tensor, t oracle.Tensor, lo, hi int) bool {
	for lane := range x.Lanes() {
		if !sameRows(x, lane, 0, j.history.Rows(t, lane, lo, hi)) {
			return false
		}
	}
	return true
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

// checkReturned judges the rows that update returned for q tokens after n.
func (j *Judge) checkReturned(returned [2]*impls.Tensor, n, q int) *corpus.Divergence {
	s := j.c.Shape
	for i, x := range returned {
		t := oracle.Tensor(i)
		if x.Batch != s.Batch || x.Heads != s.Heads || x.Dim != s.Dim || x.DType != s.DType {
			return j.Fault(corpus.FaultShape, t.String(), fmt.Sprintf("returned [%d, %d, %d, %d] of %s", x.Batch, x.Heads, x.Rows, x.Dim, x.DType))
		}
		if j.contract == oracle.Chunks {
			if d := j.checkVisible(x, t, n, q); d != nil {
				return d
			}
			continue
		}
		want := s.Window
		if q > s.Window {
			want = q
		}
		if x.Rows != want {
			return j.Fault(corpus.FaultShape, t.String(), fmt.Sprintf("returned %d rows, expected %d", x.Rows, want))
		}
		if q > s.Window {
			if d := j.checkRows(x, t, "returned", 0, n, n+q, false); d != nil {
				return d
			}
		} else if d := j.checkWindow(x, t, "returned"); d != nil {
			return d
		}
	}
	return nil
}

// checkStored judges the buffers of a cache that shows them.
func (j *Judge) checkStored() *corpus.Divergence {
	k, v, ok := j.cache.Stored()
	if !ok {
		return nil
	}
	for i, x := range [...]*impls.Tensor{&k, &v} {
		if d := j.checkWindow(x, oracle.Tensor(i), "stored"); d != nil {
			return d
		}
	}
	return j.checkMoved(&k, &v)
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

// checkWindow judges a whole buffer: live rows first, oldest first, the rest
// zero.
func (j *Judge) checkWindow(x *impls.Tensor, t oracle.Tensor, where string) *corpus.Divergence {
	n := j.history.Len()
	return j.checkRows(x, t, where, 0, max(0, n-j.c.Shape.Window), n, true)
}

// checkRows judges rows from row on: tokens lo to hi-1, and with rest zeros
// after them.
func (j *Judge) checkRows(x *impls.Tensor, t oracle.Tensor, where string, row, lo, hi int, rest bool) *corpus.Divergence {
	empty := 0
	if rest {
		empty = (x.Rows - row - (hi - lo)) * x.RowBytes()
		j.zeros = grow(j.zeros, empty)
	}
	for lane := range x.Lanes() {
		if !sameRows(x, lane, row, j.history.Rows(t, lane, lo, hi)) || rest && !sameRows(x, lane, row+hi-lo, j.zeros[:empty]) {
			return j.rowFault(x, t, where, row, lo, hi, rest)
		}
	}
	return nil
}

// rowFault finds the first wrong cell and says what it holds.
func (j *Judge) rowFault(x *impls.Tensor, t oracle.Tensor, where string, row, lo, hi int, rest bool) *corpus.Divergence {
	d := j.Fault(corpus.FaultRows, t.String(), "")
	d.Where = where
	size := x.DType.Size()
	end := row + hi - lo
	if rest {
		end = x.Rows
	}
	zero := make([]byte, x.RowBytes())
	for lane := range x.Lanes() {
		for i := row; i < end; i++ {
			want, token := zero, lo+i-row
			if token < hi {
				want = j.history.Rows(t, lane, token, token+1)
			}
			got := x.Row(lane, i)
			for e := 0; e < x.Dim; e++ {
				if bytes.Equal(got[e*size:(e+1)*size], want[e*size:(e+1)*size]) {
					continue
				}
				if d.Wrong == 0 {
					d.Lane, d.Row, d.Elem = lane, i, e
					d.Got = j.history.Describe(got, size, t, lane)
					d.Want = "nothing (zeros)"
					if token < hi {
						d.Want = j.history.Describe(want, size, t, lane)
					}
				}
				d.Wrong++
			}
		}
	}
	j.explain(d, t, j.cache.LastPlan())
	return d
}

// grow makes b n bytes long; what it held is of no interest.
func grow(b []byte, n int) []byte {
	if cap(b) < n {
		return make([]byte, n)
	}
	return b[:n]
}
