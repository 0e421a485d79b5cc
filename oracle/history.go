package oracle

import (
	"bytes"
	"fmt"
	"slices"
)

// History is every token ever appended, with the very bits it came with.
// Nothing is moved in place: rows are appended, and a window is the end of the
// list.
type History struct {
	window, rowBytes int
	n                int
	rows             [2][][]byte // tensor, lane: the rows, oldest first
}

// NewHistory makes an empty history of so many lanes, for a window of rows of
// rowBytes bytes.
func NewHistory(lanes, window, rowBytes int) *History {
	h := &History{}
	h.Resize(lanes, window, rowBytes)
	return h
}

// Resize empties the history and gives it another shape, with the memory that
// it has.
func (h *History) Resize(lanes, window, rowBytes int) {
	h.window, h.rowBytes = window, rowBytes
	for t := range h.rows {
		if cap(h.rows[t]) < lanes {
			h.rows[t] = slices.Grow(h.rows[t], lanes-len(h.rows[t]))
		}
		h.rows[t] = h.rows[t][:lanes]
	}
	h.Reset()
}

// Reset forgets everything.
func (h *History) Reset() { h.Crop(0) }

// AppendLane appends rows to one lane of one tensor. Advance follows once all
// lanes of both tensors have theirs.
func (h *History) AppendLane(t Tensor, lane int, rows []byte) {
	h.rows[t][lane] = append(h.rows[t][lane], rows...)
}

// Advance counts q tokens that AppendLane has brought.
func (h *History) Advance(q int) { h.n += q }

// Len is the number of tokens appended.
func (h *History) Len() int { return h.n }

// Rows is tokens lo to hi-1 of one lane, not to be changed.
func (h *History) Rows(t Tensor, lane, lo, hi int) []byte {
	return h.rows[t][lane][lo*h.rowBytes : hi*h.rowBytes]
}

// Window is the newest tokens of one lane, as many as the window holds.
func (h *History) Window(t Tensor, lane int) []byte {
	return h.Rows(t, lane, max(0, h.n-h.window), h.n)
}

// Visible is the first position that the query at position p sees.
func (h *History) Visible(p int) int { return max(0, p-h.window+1) }

// Crop keeps the first n tokens.
func (h *History) Crop(n int) {
	h.n = n
	for t := range h.rows {
		for lane := range h.rows[t] {
			h.rows[t][lane] = h.rows[t][lane][:n*h.rowBytes]
		}
	}
}

// Snapshot is a copy that shares nothing.
func (h *History) Snapshot() *History {
	s := &History{}
	s.Restore(h)
	return s
}

// Restore makes h what s is.
func (h *History) Restore(s *History) {
	h.window, h.rowBytes, h.n = s.window, s.rowBytes, s.n
	for t := range s.rows {
		h.rows[t] = make([][]byte, len(s.rows[t]))
		for lane := range s.rows[t] {
			h.rows[t][lane] = bytes.Clone(s.rows[t][lane])
		}
	}
}

// match is where a row or a cell was found.
type match struct {
	Tensor         Tensor
	Lane, Position int
}

// findRow looks for a token that has exactly this row: in the same lane first,
// the newest first, then in other lanes, then in the other tensor.
func (h *History) findRow(row []byte, t Tensor, lane int) (match, bool) {
	return h.find(t, lane, func(have []byte) bool { return bytes.Equal(have, row) })
}

// findCell looks for a token that has this cell at byte at of its row, in the
// same order.
func (h *History) findCell(cell []byte, at int, t Tensor, lane int) (match, bool) {
	return h.find(t, lane, func(have []byte) bool { return bytes.Equal(have[at:at+len(cell)], cell) })
}

func (h *History) find(t Tensor, lane int, same func(row []byte) bool) (match, bool) {
	for k := range 2 {
		tensor := Tensor((int(t) + k) % 2)
		lanes := h.rows[tensor]
		for l := range lanes {
			m := match{Tensor: tensor, Lane: (lane + l) % len(lanes)}
			for m.Position = h.n - 1; m.Position >= 0; m.Position-- {
				if same(h.Rows(m.Tensor, m.Lane, m.Position, m.Position+1)) {
					return m, true
				}
			}
		}
	}
	return match{}, false
}

// Describe says in words what a row of a lane holds. size is the number of
// bytes of a cell.
func (h *History) Describe(row []byte, size int, t Tensor, lane int) string {
	if len(bytes.TrimLeft(row, "\x00")) == 0 {
		return "nothing (zeros)"
	}
	if m, ok := h.findRow(row, t, lane); ok {
		return h.name(m, t, lane)
	}
	// Torn: name what the first cell comes from, and the first cell that
	// comes from elsewhere.
	var parts []string
	for at := 0; at+size <= len(row) && len(parts) < 3; at += size {
		m, ok := h.findCell(row[at:at+size], at, t, lane)
		if !ok {
			return "bits of no live token"
		}
		if name := h.name(m, t, lane); !slices.Contains(parts, name) {
			parts = append(parts, name)
		}
	}
	switch len(parts) {
	case 1:
		return "cells of " + parts[0]
	case 2:
		return "parts of " + parts[0] + " and of " + parts[1]
	}
	return "parts of several tokens"
}

func (h *History) name(m match, t Tensor, lane int) string {
	s := fmt.Sprintf("token %d", m.Position)
	if m.Lane != lane {
		s += fmt.Sprintf(" of lane %d", m.Lane)
	}
	if m.Tensor != t {
		s += " of " + m.Tensor.String()
	}
	return s
}
