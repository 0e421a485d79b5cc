package oracle

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// how is how tokens came to be gone.
type how uint8

const (
	refused how = iota
	cutOff
	beforeReset
	beforeRestore
	moved // by a select
)

// gone is tokens that an entry held until an operation, or that were refused.
type gone struct {
	how    how
	op     int
	entry  int
	tokens []Token
	// Of a refused chunk: its first serial, its tokens, and its batch.
	serial, q, batch int
}

// each calls f with each of the tokens and the entry that held it, newest first.
func (g *gone) each(first int, f func(x Token, entry int) bool) bool {
	for i := len(g.tokens) - 1; i >= 0; i-- {
		if !f(g.tokens[i], g.entry) {
			return false
		}
	}
	for i := g.q - 1; i >= 0; i-- {
		for b := range g.batch {
			if !f(Token{int32(g.serial + i), int32(first + b)}, b) {
				return false
			}
		}
	}
	return true
}

func (g *gone) String() string {
	switch g.how {
	case refused:
		return fmt.Sprintf(" of the chunk that was refused at op %d", g.op)
	case cutOff:
		return fmt.Sprintf(", which the crop at op %d cut off", g.op)
	case beforeReset:
		return fmt.Sprintf(" of before the reset at op %d", g.op)
	case beforeRestore:
		return fmt.Sprintf(" of before the restore at op %d", g.op)
	}
	return fmt.Sprintf(" of before the select at op %d", g.op)
}

// match is where a row or a cell was found.
type match struct {
	token  Token
	tensor Tensor
	lane   int
	gone   *gone // nil of a token that is there
}

// find calls f with each token whose row is the same, until f returns false: those
// of the lane first, what is there before what is gone, the newest first; then
// those of other lanes, then those of the other tensor; but no further lane once one
// has had such a token.
func (h *History) find(t Tensor, lane int, same func(row []byte) bool, f func(match) bool) {
	found := false
	each := f
	f = func(m match) bool {
		found = true
		return each(m)
	}
	var row []byte
	if h.code != nil {
		row = make([]byte, h.rowBytes)
	}
	lanes := len(h.rows[t])
	for k := range 2 {
		tensor := Tensor((int(t) + k) % 2)
		for l := range lanes {
			at := (lane + l) % lanes
			entry, head := at/h.heads, at%h.heads
			for p := h.Len(entry) - 1; p >= 0; p-- {
				if same(h.Rows(tensor, at, p, p+1)) && !f(match{token: h.Token(entry, p), tensor: tensor, lane: at}) {
					return
				}
			}
			for i := len(h.gone) - 1; i >= 0 && row != nil; i-- {
				g := &h.gone[i]
				if !g.each(h.first, func(x Token, b int) bool {
					if b != entry {
						return true
					}
					h.code.PutRow(row, tensor, int(x.Entry)*h.heads+head, int(x.Serial))
					return !same(row) || f(match{token: x, tensor: tensor, lane: at, gone: g})
				}) {
					return
				}
			}
			if found {
				return
			}
		}
	}
	// What was left out: entries that there were and are not now.
	for i := len(h.gone) - 1; i >= 0 && row != nil; i-- {
		g := &h.gone[i]
		if !g.each(h.first, func(x Token, b int) bool {
			if b < len(h.entries) {
				return true
			}
			for head := range h.heads {
				h.code.PutRow(row, t, int(x.Entry)*h.heads+head, int(x.Serial))
				if same(row) && !f(match{token: x, tensor: t, lane: b*h.heads + head, gone: g}) {
					return false
				}
			}
			return true
		}) {
			return
		}
	}
}

// maxNames bounds the tokens that a row may be, by its cells, in its description.
const maxNames = 3

// Describe says in words what a row of a lane holds. size is the number of
// bytes of a cell.
func (h *History) Describe(row []byte, size int, t Tensor, lane int) string {
	if len(bytes.TrimLeft(row, "\x00")) == 0 {
		return "nothing (zeros)"
	}
	if all := h.matches(t, lane, func(have []byte) bool { return bytes.Equal(have, row) }); len(all) > 0 {
		return h.names(all, t, lane)
	}
	if s := h.padding(row, t, lane); s != "" {
		return s
	}
	// Torn: name what the first cell comes from, and the first cell that
	// comes from elsewhere.
	var parts []string
	for at := 0; at+size <= len(row) && len(parts) < 3; at += size {
		if len(bytes.TrimLeft(row[at:at+size], "\x00")) == 0 {
			if !slices.Contains(parts, "zeros") {
				parts = append(parts, "zeros")
			}
			continue
		}
		all := h.matches(t, lane, func(have []byte) bool { return bytes.Equal(have[at:at+size], row[at:at+size]) })
		if len(all) == 0 {
			return Unknown
		}
		if name := h.name(all[0], t, lane); !slices.Contains(parts, name) {
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

// padding says whose left padding a row is, which no history has where a chunk
// brought another number of tokens to each entry; "" for any other row.
func (h *History) padding(row []byte, t Tensor, lane int) string {
	if h.code == nil {
		return ""
	}
	want := make([]byte, h.rowBytes)
	for k := range 2 {
		tensor := Tensor((int(t) + k) % 2)
		for l := range h.rows[t] {
			at := (lane + l) % len(h.rows[t])
			h.code.PutRow(want, tensor, h.first*h.heads+at, Padding)
			if bytes.Equal(row, want) {
				return h.name(match{token: Token{Padding, int32(h.first + at/h.heads)}, tensor: tensor, lane: at}, t, lane)
			}
		}
	}
	return ""
}

// Name says in words which token a position of a lane holds.
func (h *History) Name(t Tensor, lane, position int) string {
	return h.name(match{token: h.Token(lane/h.heads, position), tensor: t, lane: lane}, t, lane)
}

// Unknown is what Describe says of a row that no token has.
const Unknown = "bits of no token"

// matches lists the tokens that a row may be: all of the first place where there
// is one, no more than maxNames.
func (h *History) matches(t Tensor, lane int, same func(row []byte) bool) []match {
	var all []match
	h.find(t, lane, same, func(m match) bool {
		if len(all) > 0 && m.lane != all[0].lane {
			return false // of entries that there were, lanes follow one another
		}
		if !slices.ContainsFunc(all, func(o match) bool { return o.token.Serial == m.token.Serial }) {
			all = append(all, m)
		}
		return len(all) < maxNames
	})
	return all
}

// names is the tokens that one row may be.
func (h *History) names(all []match, t Tensor, lane int) string {
	if len(all) == 1 {
		return h.name(all[0], t, lane)
	}
	serials := make([]string, len(all))
	slices.SortFunc(all, func(a, b match) int { return int(a.token.Serial - b.token.Serial) })
	for i, m := range all {
		serials[i] = fmt.Sprint(m.token.Serial)
	}
	return "token " + strings.Join(serials, " or ") + h.place(all[0], t, lane)
}

func (h *History) name(m match, t Tensor, lane int) string {
	s := m.token.String() + h.place(m, t, lane)
	if m.gone != nil {
		if own := int(m.token.Entry)-h.first == lane/h.heads; m.gone.how == moved && m.lane == lane && own && m.token.Serial != Padding {
			s += fmt.Sprintf(" of entry %d", lane/h.heads) // another entry's token of that number may be expected
		}
		s += m.gone.String()
	}
	return s
}

func (x Token) String() string {
	if x.Serial == Padding {
		return "padding"
	}
	return fmt.Sprintf("token %d", x.Serial)
}

// place says where a token was found, seen from a lane of a tensor, or which entry
// it was appended to, where Select has moved it to this one.
func (h *History) place(m match, t Tensor, lane int) (s string) {
	switch entry := int(m.token.Entry) - h.first; {
	case m.lane != lane:
		s = fmt.Sprintf(" of lane %d", m.lane)
	case entry != lane/h.heads && m.token.Serial != Padding:
		s = fmt.Sprintf(" of entry %d", entry)
	}
	if m.tensor != t {
		s += " of " + m.tensor.String()
	}
	return s
}
