package engine

import (
	"fmt"
	"strings"
)

// Explainer is a Driver that knows its caches: from a wrong row of logits it leads to
// the row of a cache, and to a case of that cache alone.
type Explainer interface {
	// Explain says what the query of a request at a position (padding counts) attended
	// to in a layer, in the last Forward. Layers count from 0. An error says that the
	// last Forward had no such query.
	Explain(request string, position, layer int) (Explanation, error)
}

// Explanation is what one query attended to.
type Explanation struct {
	Rows []AttendedRow
	// Cache is what was done to the cache with these rows since it was last empty, as
	// the text of a case. Its target is "cache" where the cache is none of the built-in.
	Cache string
}

// AttendedRow is a row of a cache that a query attended to.
type AttendedRow struct {
	Row      int // among those that the cache returned
	Position int // that the cache, or the order of rows, says it has
	// Keys and Values are the tokens whose keys and values the row holds, by their bits.
	// Nil is a row that no token brought.
	Keys, Values *Token
}

// Token is a token of a request. Position counts from 0, padding too.
type Token struct {
	Request  string
	Position int
}

// String is as "token 4 of request a", and "no token" for nil.
func (t *Token) String() string {
	if t == nil {
		return "no token"
	}
	return fmt.Sprintf("token %d of request %s", t.Position, t.Request)
}

// String has a line for each row that was attended to.
func (x Explanation) String() string {
	var b strings.Builder
	for _, r := range x.Rows {
		fmt.Fprintf(&b, "row %d, position %d: ", r.Row, r.Position)
		keys, values := r.Keys.String(), r.Values.String()
		if keys == values {
			fmt.Fprintf(&b, "%s\n", keys)
		} else {
			fmt.Fprintf(&b, "keys of %s, values of %s\n", keys, values)
		}
	}
	return b.String()
}
