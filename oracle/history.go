package oracle

import (
	"bytes"
	"slices"
)

// Token is one token of a batch entry. Serial is its number in the whole case, from
// 0, never used twice, or Padding; Entry is the batch entry that it was appended
// to, which it names also where Select has moved it since.
type Token struct{ Serial, Entry int32 }

// Padding is the serial of left padding, which is alike in every padding row of a
// lane.
const Padding = -1

// History is every token ever handed to a cache, with the very bits it came with:
// for each batch entry the sequence that it holds now, and which tokens are gone.
// Nothing is moved in place: rows are appended, and a window is the end of the
// list.
type History struct {
	heads, window, rowBytes int
	batch                   int // of an empty cache
	first                   int // batch entry 0 of the encoding is this one
	code                    *Encoding

	entries []sequence
	rows    [2][][]byte // tensor, lane: the rows, oldest first

	serial int    // of the next token
	op     int    // the operation under way, counted from 1
	gone   []gone // tokens that no entry holds now, or not where they were
}

// sequence is the tokens of one batch entry, oldest first.
type sequence struct{ tokens []Token }

// NewHistory makes an empty history of so many lanes, for a window of rows of
// rowBytes bytes.
func NewHistory(batch, heads, window, rowBytes int) *History {
	h := &History{}
	h.Resize(batch, heads, window, rowBytes)
	return h
}

// Resize empties the history and gives it another shape, with the memory that
// it has. Serials begin at 0 again.
func (h *History) Resize(batch, heads, window, rowBytes int) {
	h.batch, h.heads, h.window, h.rowBytes = batch, heads, window, rowBytes
	h.first, h.code = 0, nil
	h.serial, h.op, h.gone = 0, 0, h.gone[:0]
	h.empty()
}

// Encode says which cells tokens have: batch entry 0 is entry first of the
// encoding. Without it, tokens that are gone are not found by their rows.
func (h *History) Encode(code *Encoding, first int) { h.code, h.first = code, first }

// First is the entry of the encoding that batch entry 0 is.
func (h *History) First() int { return h.first }

// At says which operation is under way, counted from 1.
func (h *History) At(op int) { h.op = op }

// empty makes every entry of an empty cache's batch an empty one.
func (h *History) empty() {
	if cap(h.entries) < h.batch {
		h.entries = slices.Grow(h.entries[:0], h.batch)
	}
	h.entries = h.entries[:h.batch]
	for b := range h.entries {
		h.entries[b].tokens = h.entries[b].tokens[:0]
	}
	lanes := h.batch * h.heads
	for t := range h.rows {
		if cap(h.rows[t]) < lanes {
			h.rows[t] = slices.Grow(h.rows[t], lanes-len(h.rows[t]))
		}
		h.rows[t] = h.rows[t][:lanes]
		for lane := range h.rows[t] {
			h.rows[t][lane] = h.rows[t][lane][:0]
		}
	}
}

// Serial gives the next q tokens their serials, and returns the first of these.
// A chunk of any kind takes them, one that is refused too.
func (h *History) Serial(q int) int {
	s := h.serial
	h.serial += q
	return s
}

// Next is the serial of the next token.
func (h *History) Next() int { return h.serial }

// AppendLane appends rows to one lane of one tensor. Advance follows once all
// lanes of both tensors have theirs, or Refuse.
func (h *History) AppendLane(t Tensor, lane int, rows []byte) {
	h.rows[t][lane] = append(h.rows[t][lane], rows...)
}

// AppendToken appends the row of one token to each lane of one tensor: rows has them one
// after the other.
func (h *History) AppendToken(t Tensor, rows []byte) {
	all := h.rows[t]
	for lane := range all {
		at := lane * h.rowBytes
		all[lane] = append(all[lane], rows[at:at+h.rowBytes]...)
	}
}

// Advance counts the tokens that AppendLane or AppendToken has brought to an entry: the last n of
// a chunk of q whose serials begin at serial, of which the first pad are padding.
func (h *History) Advance(entry, serial, q, n, pad int) {
	e := &h.entries[entry]
	for i := q - n; i < q; i++ {
		s := serial + i
		if i < pad {
			s = Padding
		}
		e.tokens = append(e.tokens, Token{int32(s), int32(h.first + entry)})
	}
}

// Refuse drops what AppendLane has brought of a chunk of q tokens whose serials
// begin at serial: it was refused.
func (h *History) Refuse(serial, q int) {
	for t := range h.rows {
		for lane := range h.rows[t] {
			h.rows[t][lane] = h.rows[t][lane][:h.Len(lane/h.heads)*h.rowBytes]
		}
	}
	h.gone = append(h.gone, gone{how: refused, op: h.op, serial: serial, q: q, batch: len(h.entries)})
}

// Batch is the number of entries.
func (h *History) Batch() int { return len(h.entries) }

// Len is the number of tokens of an entry.
func (h *History) Len(entry int) int { return len(h.entries[entry].tokens) }

// Token is the one at a position of an entry.
func (h *History) Token(entry, position int) Token { return h.entries[entry].tokens[position] }

// Rows is tokens lo to hi-1 of one lane, not to be changed.
func (h *History) Rows(t Tensor, lane, lo, hi int) []byte {
	return h.rows[t][lane][lo*h.rowBytes : hi*h.rowBytes]
}

// Window is the newest tokens of one lane, as many as the window holds.
func (h *History) Window(t Tensor, lane int) []byte {
	n := h.Len(lane / h.heads)
	return h.Rows(t, lane, max(0, n-h.window), n)
}

// Span is the rows of the window.
func (h *History) Span() int { return h.window }

// Visible is the first position that the query at position p sees.
func (h *History) Visible(p int) int { return max(0, p-h.window+1) }

// Crop keeps the first n tokens of an entry, which there are.
func (h *History) Crop(entry, n int) {
	e := &h.entries[entry]
	if n < len(e.tokens) {
		h.gone = append(h.gone, gone{how: cutOff, op: h.op, entry: entry, tokens: slices.Clone(e.tokens[n:])})
	}
	e.tokens = e.tokens[:n]
	for t := range h.rows {
		for lane := entry * h.heads; lane < (entry+1)*h.heads; lane++ {
			h.rows[t][lane] = h.rows[t][lane][:n*h.rowBytes]
		}
	}
}

// Reset forgets everything but which tokens are gone.
func (h *History) Reset() {
	h.leave(beforeReset)
	h.empty()
}

// leave notes that the tokens of all entries are gone.
func (h *History) leave(how how) {
	for b := range h.entries {
		if tokens := h.entries[b].tokens; len(tokens) > 0 {
			h.gone = append(h.gone, gone{how: how, op: h.op, entry: b, tokens: slices.Clone(tokens)})
		}
	}
}

// Select makes entry i what entry entries[i] was.
func (h *History) Select(entries []int) {
	h.leave(moved)
	old := h.Snapshot()
	h.entries = make([]sequence, len(entries))
	for t := range h.rows {
		h.rows[t] = make([][]byte, len(entries)*h.heads)
	}
	for i, b := range entries {
		h.entries[i].tokens = slices.Clone(old.entries[b].tokens)
		for t := range h.rows {
			for head := range h.heads {
				h.rows[t][i*h.heads+head] = bytes.Clone(old.rows[t][b*h.heads+head])
			}
		}
	}
}

// Snapshot is a copy of what the entries hold that shares nothing.
func (h *History) Snapshot() *History {
	s := &History{batch: h.batch, heads: h.heads, window: h.window, rowBytes: h.rowBytes, first: h.first, code: h.code}
	s.copy(h)
	return s
}

// Restore makes the entries hold what they held when s was taken.
func (h *History) Restore(s *History) {
	h.leave(beforeRestore)
	h.copy(s)
}

func (h *History) copy(s *History) {
	h.entries = make([]sequence, len(s.entries))
	for b := range s.entries {
		h.entries[b].tokens = slices.Clone(s.entries[b].tokens)
	}
	for t := range s.rows {
		h.rows[t] = make([][]byte, len(s.rows[t]))
		for lane := range s.rows[t] {
			h.rows[t][lane] = bytes.Clone(s.rows[t][lane])
		}
	}
}
