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
	chunk   [2]impls.Tensor
	lengths []int // tokens of each entry in the chunk, its last rows
	start   []int // tokens of each entry before it

	heads, dim int           // of the rows that came back
	rows       [][]byte      // keys and values of each: its heads, one after the other
	claims     [][]int       // of each entry: the position of each row, -1 for none
	held       []map[int]int // of each entry: the row that holds a position
	seen       [][][]bool    // of each entry and row of the chunk: the rows that it sees
}

func newUpdate(c *cache, keys, values impls.Tensor, lengths []int) *update {
	u := &update{
		cache: c, chunk: [2]impls.Tensor{keys, values}, lengths: lengths,
		claims: make([][]int, keys.Batch), held: make([]map[int]int, keys.Batch), seen: make([][][]bool, keys.Batch),
	}
	for e := range keys.Batch {
		u.start = append(u.start, len(c.tokens[c.entries[e]]))
		u.held[e] = map[int]int{}
		u.seen[e] = make([][]bool, keys.Rows)
	}
	return u
}

func (u *update) run() (err error) {
	defer guard(&err)
	left := slices.Clone(u.lengths)
	first := u.empty && u.chunk[0].Rows == 0
	for part := u.fill(left); first || len(part) > 0; part = u.fill(left) {
		first = false
		if err := u.pass(part); err != nil {
			return err
		}
	}
	return nil
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
			part = append(part, token{e, len(u.tokens[u.entries[e]]) + took, u.serial})
			took++
		}
	}
	if u.next = resume; resume < 0 {
		u.next = e + 1
	}
	return part
}

// at is the row of the chunk that a token came in.
func (u *update) at(t token) int {
	return u.chunk[0].Rows - u.lengths[t.entry] + t.pos - u.start[t.entry]
}

// pass runs tokens through the cache, and notes what came back.
func (u *update) pass(part []token) error {
	b := input.Batch{}
	var data [2][]byte
	for _, t := range part {
		seq := u.entries[t.entry]
		b.Positions = append(b.Positions, int32(t.pos))
		b.Sequences = append(b.Sequences, seq)
		new := known{serial: t.serial}
		for i := range u.chunk {
			x, at := &u.chunk[i], len(data[i])
			for h := range x.Heads {
				data[i] = append(data[i], x.Row(t.entry*x.Heads+h, u.at(t))...)
			}
			if u.hybrid != nil {
				new.rows[i] = slices.Clone(data[i][at:])
			}
		}
		u.tokens[seq] = append(u.tokens[seq], new)
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
	u.note(part, k[0], v[0], mask[0])
	return nil
}

// note takes over the rows that a pass returned, and what its mask shows. Of a later
// pass it leaves out the rows that no query sees, and those that are there already.
func (u *update) note(part []token, k, v, mask *tensor) {
	u.heads, u.dim = k.ne[1], k.ne[0]
	first := len(u.rows) == 0
	shown := make([][]bool, len(u.start)) // of each entry: the rows that a query sees
	at := make([][]int, len(u.start))     // and which of all rows they are
	for e := range shown {
		shown[e], at[e] = make([]bool, mask.ne[0]), make([]int, mask.ne[0])
	}
	for q, t := range part {
		for i := range mask.ne[0] {
			shown[t.entry][i] = shown[t.entry][i] || mask.sees(q, i)
		}
	}
	type held struct{ entry, pos, row int }
	var later []held
	for i := range mask.ne[0] {
		row := append(k.row(i, false), v.row(i, u.backend.config.PermutedV)...)
		claims, keep := slices.Repeat([]int{-1}, len(shown)), first
		for e := range shown {
			if !shown[e][i] {
				continue
			}
			p := k.cell(i).position()
			if r, ok := u.held[e][p]; ok && bytes.Equal(u.rows[r], row) {
				at[e][i] = r
				continue
			}
			at[e][i], claims[e], keep = len(u.rows), p, true
			later = append(later, held{e, p, len(u.rows)})
		}
		if keep {
			u.rows = append(u.rows, row)
			for e, p := range claims {
				u.claims[e] = append(u.claims[e], p)
			}
		}
	}
	// Not before: that a pass has a token twice is for the suite to see.
	for _, x := range later {
		if x.pos >= 0 {
			u.held[x.entry][x.pos] = x.row
		}
	}
	for q, t := range part {
		sees := make([]bool, len(u.rows))
		for i := range mask.ne[0] {
			if mask.sees(q, i) {
				sees[at[t.entry][i]] = true
			}
		}
		u.seen[t.entry][u.at(t)] = sees
	}
}

// sees is what each row of the chunk sees of all rows: what is visible.
func (u *update) sees() [][][]bool {
	for _, entry := range u.seen {
		for q := range entry {
			entry[q] = append(entry[q], make([]bool, len(u.rows)-len(entry[q]))...)
		}
	}
	return u.seen
}

// sees is whether a mask lets query q of the pass see row i.
func (t *tensor) sees(q, i int) bool { return !math.IsInf(float64(t.float(i, q)), -1) }

// cell is which token was written last to the cell of row i of a key.
func (t *tensor) cell(i int) token { return t.mem.cells[t.offset/t.nb[2]+i] }

// position is that of a token, -1 where none was written.
func (t token) position() int {
	if t.serial == 0 {
		return -1
	}
	return t.pos
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
		if !permuted && t.nb[0] == size {
			at := t.at(0, h, i)
			out = append(out, t.mem.bytes[at:at+dim*size]...)
			continue
		}
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

// full checks a layer of full attention: each query sees each token up to its own,
// once, with its rows.
func (u *update) full(part []token, k, v, mask *tensor) error {
	for q, t := range part {
		sees := make([]bool, t.pos+1)
		for i := range mask.ne[0] {
			if !mask.sees(q, i) {
				continue
			}
			p := k.cell(i).position()
			if p < 0 || p > t.pos || sees[p] {
				return fmt.Errorf("the query at position %d of entry %d sees row %d, position %d: one after it, none or one that it sees twice", t.pos, t.entry, i, p)
			}
			sees[p] = true
			want := u.tokens[u.entries[t.entry]][p].rows
			if !bytes.Equal(k.row(i, false), want[0]) || !bytes.Equal(v.row(i, u.backend.config.PermutedV), want[1]) {
				return fmt.Errorf("row %d, which the query at position %d of entry %d sees, is not position %d of its sequence", i, t.pos, t.entry, p)
			}
		}
		if p := slices.Index(sees, false); p >= 0 {
			return fmt.Errorf("the query at position %d of entry %d does not see position %d", t.pos, t.entry, p)
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
