package main

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/ollama/ollama/ml"
	"github.com/ollama/ollama/model/input"

	"github.com/slidefuzz/slidefuzz/impls"
)

// update is one update under way.
type update struct {
	*cache
	chunk [2]impls.Tensor
	start []int // tokens of each sequence before it

	heads, dim int      // of the rows that came back
	rows       [][]byte // keys and values of each: its heads, one after the other
	claims     [][]int  // of each entry: the position of each row, -1 for none
	unseen     []unseen // what masks hide
	wrong      error    // the first other fault of a mask
}

// unseen is a token that a query should see, and does not.
type unseen struct{ entry, pos, query int }

func (u *update) run() (err error) {
	defer guard(&err)
	left := make([]int, len(u.start))
	for e := range left {
		left[e] = u.chunk[0].Rows
	}
	first := u.empty && u.chunk[0].Rows == 0
	for part := u.fill(left); first || len(part) > 0; part = u.fill(left) {
		first = false
		if err := u.pass(part); err != nil {
			return err
		}
	}
	// A token that no query sees is for the suite to miss.
	for _, x := range u.unseen {
		if !slices.Contains(u.claims[x.entry], x.pos) {
			return nil
		}
	}
	if u.wrong == nil && len(u.unseen) > 0 {
		x := u.unseen[0]
		u.wrong = fmt.Errorf("mask: the query at position %d of sequence %d does not see position %d", x.query, x.entry, x.pos)
	}
	return u.wrong
}

// fill is the tokens of the next pass: the loop of the runner's forwardBatch.
func (u *update) fill(left []int) (part []token) {
	n := len(left)
	resume, e := -1, u.next-1
	for range n {
		e = (e + 1) % n
		took := 0
		for ; left[e] > 0; left[e]-- {
			if len(part)+1 > u.batch {
				if took == 0 && resume < 0 {
					resume = e
				}
				break
			}
			u.serial++
			part = append(part, token{e, len(u.tokens[e]) + took, u.serial})
			took++
		}
	}
	if u.next = resume; resume < 0 {
		u.next = e + 1
	}
	return part
}

// pass runs tokens through the cache, and notes what came back.
func (u *update) pass(part []token) error {
	b := input.Batch{}
	var data [2][]byte
	for _, t := range part {
		b.Positions = append(b.Positions, int32(t.pos))
		b.Sequences = append(b.Sequences, t.entry)
		new := known{serial: t.serial}
		for i := range u.chunk {
			x, at := &u.chunk[i], len(data[i])
			for h := range x.Heads {
				data[i] = append(data[i], x.Row(t.entry*x.Heads+h, t.pos-u.start[t.entry])...)
			}
			if u.hybrid != nil {
				new.rows[i] = slices.Clone(data[i][at:])
			}
		}
		u.tokens[t.entry] = append(u.tokens[t.entry], new)
	}
	ctx := u.backend.NewContext()
	defer ctx.Close()
	if err := u.kv.StartForward(ctx, b, false); err != nil {
		return err
	}
	var k, v, mask [2]*tensor
	for l := range u.layers() {
		var in [2]ml.Tensor
		for i := range in {
			x := &u.chunk[i]
			in[i] = ctx.Input().FromBytes(dtypes[x.DType], data[i], x.Dim, x.Heads, len(part))
		}
		k[l], v[l], mask[l] = u.layer(ctx, l, in[0], in[1])
	}
	u.backend.batch = part
	ctx.Compute()
	if u.hybrid != nil {
		if err := u.full(part, k[1], v[1], mask[1]); err != nil {
			return fmt.Errorf("the layer of full attention: %w", err)
		}
	}
	window := u.shape.Window
	if window == u.less {
		window = math.MaxInt32
	}
	claims, hidden, err := u.look(part, k[0], mask[0], window)
	if u.wrong == nil {
		u.wrong = err
	}
	u.unseen = append(u.unseen, hidden...)
	u.heads, u.dim = k[0].ne[1], k[0].ne[0]
	before := len(u.rows)
	for i := range mask[0].ne[0] {
		row := append(k[0].row(i, false), v[0].row(i, u.backend.config.PermutedV)...)
		for e := range u.claims {
			p := claims[e][i]
			if p >= 0 {
				if earlier := slices.Index(u.claims[e][:before], p); earlier >= 0 && bytes.Equal(u.rows[earlier], row) {
					p = -1
				}
			}
			u.claims[e] = append(u.claims[e], p)
		}
		u.rows = append(u.rows, row)
	}
	return nil
}

// row is a row of what Get returned: its heads, one after the other. Permuted
// values have their rows first.
func (t *tensor) row(i int, permuted bool) []byte {
	size := sizeOf(t.dtype)
	dim, heads := t.ne[0], t.ne[1]
	if permuted {
		dim, heads = t.ne[1], t.ne[2]
	}
	out := make([]byte, 0, 2*heads*dim*size) // and as much for the values
	for h := range heads {
		for e := range dim {
			at := t.at(e, h, i)
			if permuted {
				at = t.at(i, e, h)
			}
			out = append(out, t.mem.bytes[at:at+size]...)
		}
	}
	return out
}

// look reads a mask: which positions each entry's queries see in the rows of a
// key, and what they should see and do not. The error is the first query that
// sees what it should not.
func (u *update) look(part []token, key, mask *tensor, window int) (claims [][]int, hidden []unseen, err error) {
	rows := mask.ne[0]
	claims = make([][]int, len(u.start))
	for e := range claims {
		claims[e] = slices.Repeat([]int{-1}, rows)
	}
	if mask.ne[1] != len(part) && len(part) > 0 || key.ne[2] != rows {
		return claims, nil, fmt.Errorf("mask: %v for %d queries and keys of %v", mask.ne, len(part), key.ne)
	}
	first := key.offset / key.nb[2] // cell
	for q, t := range part {
		lo := max(0, t.pos-window+1)
		sees := make([]bool, t.pos-lo+1)
		for i := range rows {
			x := mask.float(i, q)
			if math.IsInf(float64(x), -1) {
				continue
			}
			held := key.mem.cells[first+i]
			fault := ""
			switch {
			case x != 0:
				fault = fmt.Sprintf("has %v for row %d", x, i)
			case held.serial == 0:
				fault = fmt.Sprintf("sees row %d, where nothing was written", i)
			case held.entry != t.entry:
				fault = fmt.Sprintf("sees position %d of sequence %d", held.pos, held.entry)
			case held.pos < lo || held.pos > t.pos:
				fault = fmt.Sprintf("sees position %d", held.pos)
			case held.serial != u.tokens[t.entry][held.pos].serial:
				fault = fmt.Sprintf("sees a token that position %d held before", held.pos)
			default:
				sees[held.pos-lo] = true
			}
			if held.serial > 0 && held.entry == t.entry {
				claims[t.entry][i] = held.pos
			}
			if fault != "" && err == nil {
				err = fmt.Errorf("mask: the query at position %d of sequence %d should see positions %d to %d, and %s", t.pos, t.entry, lo, t.pos, fault)
			}
		}
		for i, ok := range sees {
			if !ok {
				hidden = append(hidden, unseen{t.entry, lo + i, t.pos})
			}
		}
	}
	return claims, hidden, err
}

// full checks a layer of full attention: each query sees each token up to its
// own, and its rows.
func (u *update) full(part []token, k, v, mask *tensor) error {
	claims, hidden, err := u.look(part, k, mask, math.MaxInt32)
	if err != nil {
		return err
	}
	if len(hidden) > 0 {
		return fmt.Errorf("mask: the query at position %d of sequence %d does not see position %d", hidden[0].query, hidden[0].entry, hidden[0].pos)
	}
	for e, list := range claims {
		seen := map[int]bool{}
		for i, p := range list {
			if p < 0 {
				continue
			}
			want := u.tokens[e][p].rows
			if seen[p] || !bytes.Equal(k.row(i, false), want[0]) || !bytes.Equal(v.row(i, u.backend.config.PermutedV), want[1]) {
				return fmt.Errorf("row %d is not position %d of sequence %d, or is there twice", i, p, e)
			}
			seen[p] = true
		}
	}
	return nil
}

// returned is what the update returns, of keys or of values.
func (u *update) returned(which int) impls.Tensor {
	s := u.shape
	s.Batch, s.DType = len(u.start), u.chunk[0].DType
	if len(u.rows) > 0 {
		s.Heads, s.Dim = u.heads, u.dim
	}
	x := impls.NewTensor(s, len(u.rows))
	size := s.RowBytes()
	for lane := range x.Lanes() {
		for i, row := range u.rows {
			copy(x.Row(lane, i), row[which*len(row)/2+lane%s.Heads*size:][:size])
		}
	}
	return x
}
